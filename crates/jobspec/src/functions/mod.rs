//! The functions of the language. Each takes values and gives a value; what it needs besides comes in as `Means`.

mod arguments; // reading arguments, refusing them
mod civil; // dates without a clock
mod collections; // lists and maps
mod encodings; // base64, JSON, CSV, URLs
mod files; // what looks at files
mod format; // `%s` and the like
mod hashes; // digests and ids
mod lists; // cutting and joining lists
mod network; // address blocks
mod numbers; // arithmetic
mod sets; // lists as sets
mod strings; // text
mod time; // dates
mod yaml; // YAML, both ways

#[cfg(test)]
mod tests;

pub(crate) use arguments::{Call, Means, Refusal};

use crate::{
    eval::{Limits, Val},
    suggest::nearest,
};

type Run = fn(&mut Call<'_, '_>) -> Result<Val, Refusal>;

/// A function and how many arguments it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function {
    name: &'static str,
    min: usize,
    max: usize,
    run: Run,
}

const ANY: usize = usize::MAX;

/// `can`, `convert` and `try` are missing: their arguments are not values, so `eval` has them.
const FUNCTIONS: &[Function] = &[
    function("abs", 1, 1, numbers::abs),
    function("abspath", 1, 1, files::abspath),
    function("base64decode", 1, 1, encodings::base64decode),
    function("base64encode", 1, 1, encodings::base64encode),
    function("basename", 1, 1, files::basename),
    function("bcrypt", 1, 2, hashes::bcrypt),
    function("ceil", 1, 1, numbers::ceil),
    function("chomp", 1, 1, strings::chomp),
    function("chunklist", 2, 2, lists::chunklist),
    function("cidrhost", 2, 2, network::cidrhost),
    function("cidrnetmask", 1, 1, network::cidrnetmask),
    function("cidrsubnet", 3, 3, network::cidrsubnet),
    function("cidrsubnets", 1, ANY, network::cidrsubnets),
    function("coalesce", 1, ANY, collections::coalesce),
    function("coalescelist", 1, ANY, collections::coalescelist),
    function("compact", 1, 1, lists::compact),
    function("concat", 1, ANY, lists::concat),
    function("contains", 2, 2, collections::contains),
    function("csvdecode", 1, 1, encodings::csvdecode),
    function("dirname", 1, 1, files::dirname),
    function("distinct", 1, 1, sets::distinct),
    function("element", 2, 2, lists::element),
    function("file", 1, 1, files::file),
    function("filebase64", 1, 1, files::filebase64),
    function("fileexists", 1, 1, files::fileexists),
    function("fileset", 2, 2, files::fileset),
    function("flatten", 1, 1, lists::flatten),
    function("floor", 1, 1, numbers::floor),
    function("format", 1, ANY, format::format),
    function("formatdate", 2, 2, time::formatdate),
    function("formatlist", 1, ANY, format::formatlist),
    function("indent", 2, 2, strings::indent),
    function("index", 2, 2, collections::index),
    function("join", 1, ANY, strings::join),
    function("jsondecode", 1, 1, encodings::jsondecode),
    function("jsonencode", 1, 1, encodings::jsonencode),
    function("keys", 1, 1, collections::keys),
    function("length", 1, 1, collections::length),
    function("log", 2, 2, numbers::log),
    function("lookup", 2, 3, collections::lookup),
    function("lower", 1, 1, strings::lower),
    function("max", 1, ANY, numbers::max),
    function("md5", 1, 1, hashes::md5),
    function("merge", 0, ANY, collections::merge),
    function("min", 1, ANY, numbers::min),
    function("parseint", 2, 2, numbers::parseint),
    function("pathexpand", 1, 1, files::pathexpand),
    function("pow", 2, 2, numbers::pow),
    function("range", 1, 3, lists::range),
    function("regex_replace", 3, 3, strings::regex_replace),
    function("replace", 3, 3, strings::replace),
    function("reverse", 1, 1, lists::reverse),
    function("rsadecrypt", 2, 2, hashes::rsadecrypt),
    function("setintersection", 1, ANY, sets::setintersection),
    function("setproduct", 1, ANY, sets::setproduct),
    function("setunion", 1, ANY, sets::setunion),
    function("sha1", 1, 1, hashes::sha1),
    function("sha256", 1, 1, hashes::sha256),
    function("sha512", 1, 1, hashes::sha512),
    function("signum", 1, 1, numbers::signum),
    function("slice", 3, 3, lists::slice),
    function("sort", 1, 1, lists::sort),
    function("split", 2, 2, strings::split),
    function("strlen", 1, 1, strings::strlen),
    function("strrev", 1, 1, strings::strrev),
    function("substr", 3, 3, strings::substr),
    function("timeadd", 2, 2, time::timeadd),
    function("title", 1, 1, strings::title),
    function("trim", 2, 2, strings::trim),
    function("trimprefix", 2, 2, strings::trimprefix),
    function("trimspace", 1, 1, strings::trimspace),
    function("trimsuffix", 2, 2, strings::trimsuffix),
    function("upper", 1, 1, strings::upper),
    function("urlencode", 1, 1, encodings::urlencode),
    function("uuidv4", 0, 0, hashes::uuidv4),
    function("uuidv5", 2, 2, hashes::uuidv5),
    function("values", 1, 1, collections::values),
    function("yamldecode", 1, 1, yaml::yamldecode),
    function("yamlencode", 1, 1, yaml::yamlencode),
    function("zipmap", 2, 2, collections::zipmap),
];

const fn function(name: &'static str, min: usize, max: usize, run: Run) -> Function {
    Function { name, min, max, run }
}

/// The function of that name, or what to write instead.
pub(crate) fn find(name: &str) -> Result<&'static Function, String> {
    if let Ok(at) = FUNCTIONS.binary_search_by_key(&name, |function| function.name) {
        return Ok(&FUNCTIONS[at]);
    }
    if name == "env" {
        let help = "declare a variable, and set NOMAD_VAR_name in the environment; \
                    what the task's environment has is written \"${NAME}\"";
        return Err(help.to_owned());
    }
    let mut names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
    names.extend(["can", "convert", "try"]);
    Err(match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => String::from("write the resulting value here"),
    })
}

impl Function {
    pub(crate) fn run(
        &self,
        args: &[Val],
        limits: &mut Limits,
        means: &mut Means<'_>,
    ) -> Result<Val, Refusal> {
        if args.len() < self.min || args.len() > self.max {
            let wanted = match (self.min, self.max) {
                (0, 0) => String::from("no"),
                (min, max) if min == max => min.to_string(),
                (min, ANY) => format!("at least {min}"),
                (min, max) => format!("{min} to {max}"),
            };
            let plural = if wanted.ends_with('1') { "" } else { "s" };
            return Err(Refusal::new(format!("takes {wanted} argument{plural}, found {}", args.len())));
        }
        (self.run)(&mut Call { args, limits, means })
    }
}
