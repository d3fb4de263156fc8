//! Compiles the protocol without `protoc`; the descriptor set also feeds gRPC reflection.

use protox::prost::Message as _;

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo speaks to build scripts in variables"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = [
        "flowtrail/v1/record.proto",
        "flowtrail/v1/apps.proto",
        "flowtrail/v1/query.proto",
    ];
    let descriptors = protox::compile(files, ["proto"])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("flowtrail.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // The server takes a chunk's events as byte ranges of the frame and decodes each by
        // itself, so that one broken event does not cost its neighbours anything.
        .extern_path(".flowtrail.v1.Chunk", "crate::proto::Chunk")
        .extern_path(".flowtrail.v1.RecordRequest", "crate::proto::RecordRequest")
        .bytes(".flowtrail.v1")
        .compile_fds(descriptors)?;
    Ok(())
}
