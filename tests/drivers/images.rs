//! The test program, and an image that holds nothing but it. Both are named by the hash of the source and made once.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use bollard::{Docker, query_parameters::CreateImageOptionsBuilder};
use futures::TryStreamExt;

const SOURCE: &str = include_str!("tool.rs");
const REPOSITORY: &str = "troupe-test-tool";

fn tag() -> String {
    let hash = SOURCE.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Path of the program, linked statically so that it runs in an empty image.
pub(crate) fn tool() -> &'static Path {
    static TOOL: OnceLock<PathBuf> = OnceLock::new();
    TOOL.get_or_init(|| {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("tool-{}", tag()));
        if !path.exists() {
            let fresh = dir.join(format!("tool-{}.{}", tag(), std::process::id()));
            let source = fresh.with_extension("rs");
            std::fs::write(&source, SOURCE).unwrap();
            let rustc = std::env::var("RUSTC").unwrap_or_else(|_| String::from("rustc"));
            let status = Command::new(rustc)
                .args(["--edition=2024", "-O", "-Cstrip=symbols", "-Ctarget-feature=+crt-static", "-o"])
                .args([&fresh, &source])
                .status()
                .expect("rustc, which built this test, is there");
            assert!(status.success(), "the test program does not compile");
            std::fs::rename(fresh, &path).unwrap();
        }
        path
    })
}

/// Name of the image, made when the engine has it not.
pub(crate) async fn image() -> String {
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _alone = MAKING.lock().await;
    let name = format!("{REPOSITORY}:{}", tag());
    let docker = Docker::connect_with_unix("/var/run/docker.sock", 60, bollard::API_DEFAULT_VERSION)
        .expect("these tests need a Docker Engine at /var/run/docker.sock");
    let docker = docker.negotiate_version().await.expect("the Docker Engine answers");
    if docker.inspect_image(&name).await.is_err() {
        let program = std::fs::read(tool()).unwrap();
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(REPOSITORY).tag(&tag()).build();
        let body = bollard::body_full(archive(&program).into());
        docker.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await.unwrap();
    }
    name
}

/// A tar archive with `/tool` in it.
fn archive(program: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, "tool");
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", program.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\u{0}00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(program);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}
