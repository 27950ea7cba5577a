//! `operator api`: any request, for scripts and for what has no command.

use std::io::Read;

use super::{
    Context, Tool,
    client::{Client, Raw},
    flags::{Flag, Flags, switch, text},
    output::{Failure, Outcome},
    terminal,
};

pub(super) const FLAGS: &[Flag] = &[
    text("X", "method", "Method. Default: GET, or POST where something is piped in."),
    text("H", "name: value", "A header to send along; may be repeated."),
    text("filter", "expression", "Sent as the filter parameter."),
    switch("dryrun", "Print a curl command that does the same, and do nothing."),
    switch("verbose", "Show the request and the headers of the answer on standard error."),
];

/// What may be piped in; agents take no more.
const LARGEST_BODY: u64 = 64 * 1024 * 1024;

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let [path] = flags.args.as_slice() else {
        return Err(Failure::usage("This command takes one argument: <path>"));
    };
    let mut body = Vec::new();
    if !terminal::has_input() {
        (&mut *ctx.input).take(LARGEST_BODY + 1).read_to_end(&mut body)?;
        if body.len() as u64 > LARGEST_BODY {
            return Err(Failure::message(format!("the body is larger than {LARGEST_BODY} bytes")));
        }
    }
    let method = flags.text("X").unwrap_or(if body.is_empty() { "GET" } else { "POST" });
    let raw = Raw {
        method: method.to_uppercase(),
        path: path.clone(),
        filter: flags.text("filter").map(str::to_owned),
        headers: flags.all("H").iter().map(|text| header(text)).collect::<Result<_, _>>()?,
        body,
    };
    let client = Client::new(ctx, flags, Tool::Nomad)?;
    let url = client.raw_url(&raw)?;
    if flags.on("dryrun") {
        ctx.output.line(curl(&raw, url.as_str(), client.secret()))?;
        return Ok(0);
    }
    let verbose = flags.on("verbose");
    if verbose {
        ctx.output.error(format_args!("> {} {url}", raw.method))?;
    }
    let (status, headers, written) = client.send_raw(raw, &mut *ctx.output.out)?;
    if verbose {
        ctx.output.error(format_args!("< {status}"))?;
        for (name, value) in &headers {
            ctx.output.error(format_args!("< {name}: {}", String::from_utf8_lossy(value.as_bytes())))?;
        }
    }
    if written > 0 {
        ctx.output.line("")?;
    }
    Ok(0)
}

fn header(text: &str) -> Result<(String, String), Failure> {
    let (name, value) = text.split_once(':').ok_or_else(|| {
        Failure::usage(format!("-H is a header such as \"Accept: text/plain\", not {text:?}"))
    })?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn curl(raw: &Raw, url: &str, secret: &str) -> String {
    let mut line = format!("curl -X {}", raw.method);
    for (name, value) in &raw.headers {
        line += &format!(" -H {}", quoted(&format!("{name}: {value}")));
    }
    if !secret.is_empty() {
        // Not the secret itself: what is printed is passed around.
        line += " -H \"X-Nomad-Token: ${NOMAD_TOKEN}\"";
    }
    if !raw.body.is_empty() {
        line += " --data-binary @-";
    }
    line + " " + &quoted(url)
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_for_curl() {
        let mut raw = Raw { method: "GET".into(), path: "jobs".into(), ..Raw::default() };
        assert_eq!(curl(&raw, "http://h:1/v1/jobs?a=b", ""), "curl -X GET 'http://h:1/v1/jobs?a=b'");
        raw.headers.push(("A".into(), "it's".into()));
        raw.body = vec![1];
        assert_eq!(
            curl(&raw, "http://h:1/", "hush"),
            "curl -X GET -H 'A: it'\\''s' -H \"X-Nomad-Token: ${NOMAD_TOKEN}\" --data-binary @- 'http://h:1/'"
        );
    }

    #[test]
    fn headers_have_a_colon() {
        assert_eq!(header("Accept: a:b").unwrap(), ("Accept".to_owned(), "a:b".to_owned()));
        assert!(header("Accept").is_err());
    }
}
