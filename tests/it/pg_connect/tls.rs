//! TLS: each sslmode, and certificates of clients.

use super::{connects, fails, primary, quoted, server::Servers, text};

const ENCRYPTED: &str = "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()";

#[tokio::test]
async fn each_sslmode_verifies_what_libpqs_does() {
    let servers = Servers::shared().await;
    let file = |name| quoted(&servers.primary.file(name));
    let (ca, other, own) = (file("ca.pem"), file("other-ca.pem"), file("server.pem"));
    let good = async |words: String, encrypted: &str| {
        let client = connects(&primary(&servers, &words)).await;
        assert_eq!(text(&client, ENCRYPTED).await, encrypted, "{words}");
    };
    let bad = async |words: String, part: &str| {
        fails(&primary(&servers, &words), &[part]).await;
    };
    let by_address = "host=127.0.0.1";
    good("sslmode=disable".into(), "false").await;
    good("sslmode=prefer".into(), "true").await;
    good("sslmode=require".into(), "true").await;
    good("sslmode=require channel_binding=require".into(), "true").await;
    good(format!("sslmode=verify-full sslrootcert={ca}"), "true").await;
    good(
        format!("sslmode=verify-ca sslrootcert={ca} {by_address}"),
        "true",
    )
    .await;
    good(
        format!("sslmode=require sslrootcert={ca} {by_address}"),
        "true",
    )
    .await;
    good(format!("sslmode=verify-full sslrootcert={own}"), "true").await;

    let name = "not for the name `127.0.0.1`";
    bad(
        format!("sslmode=verify-full sslrootcert={ca} {by_address}"),
        name,
    )
    .await;
    bad(
        format!("sslmode=verify-full sslrootcert={own} {by_address}"),
        name,
    )
    .await;
    let issuer = "not signed by anybody we trust";
    bad(format!("sslmode=verify-full sslrootcert={other}"), issuer).await;
    bad(format!("sslmode=verify-ca sslrootcert={other}"), issuer).await;
    bad(format!("sslmode=require sslrootcert={other}"), issuer).await;
    let missing = "sslrootcert /nowhere.pem cannot be read";
    bad("sslmode=verify-ca sslrootcert=/nowhere.pem".into(), missing).await;
    let no_pem = format!("sslrootcert={}", file("password"));
    bad(format!("sslmode=verify-ca {no_pem}"), "no PEM section").await;
    let binding = "sslmode=disable channel_binding=require";
    bad(binding.into(), "channel_binding=prefer").await;
}

#[tokio::test]
async fn a_client_certificate_logs_in() {
    let servers = Servers::shared().await;
    let client = connects(&primary(&servers, "")).await;
    // Another test binary's server may have the role from before.
    client
        .batch_execute("create role carol login")
        .await
        .expect("a new role");
    let file = |name| quoted(&servers.primary.file(name));
    let carol = primary(&servers, "user=carol sslmode=require");
    let words = format!("sslcert={} sslkey={}", file("carol.pem"), file("carol.key"));
    let client = connects(&format!("{carol} {words}")).await;
    assert_eq!(text(&client, "select current_user::text").await, "carol");
    fails(&carol, &["28000", "sslcert"]).await;
    let mixed = format!(
        "sslcert={} sslkey={}",
        file("carol.pem"),
        file("server.key")
    );
    fails(&format!("{carol} {mixed}"), &["do not fit each other"]).await;
}
