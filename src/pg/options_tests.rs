use tokio_postgres::config::ChannelBinding;

use super::*;
use crate::pg::tls::Mode;

fn parse(text: &str) -> Options {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn hosts_ports_and_addresses_belong_together() {
    let check = |text: &str, expected: &str| assert_eq!(parse(text).describe(), expected, "{text}");
    check("host=a user=u", "a:5432/u as u");
    check(
        "postgresql://u@a:1,b,[::1]:3/d",
        "a:1,b:5432,[::1]:3/d as u",
    );
    check("host=a,b port=6 dbname=d user=u", "a:6,b:6/d as u");
    check("hostaddr=127.0.0.1 user=u", "127.0.0.1:5432/u as u");
    check("hostaddr=::1 host=a user=u", "a:5432/u as u");
    check("host=a user=u dbname='' port=''", "a:5432/u as u");
    check("host=/tmp user=u", "/tmp:5432/u as u");
    check("postgres://u:p@%2Ftmp:7/d", "/tmp:7/d as u");
    check("postgres:///d?host=a,b&port=1,2&user=u", "a:1,b:2/d as u");
}

#[test]
fn words_reach_their_place() {
    let options = parse(
        "postgresql://u@a/d?target_session_attrs=prefer-standby&load_balance_hosts=random\
         &connect_timeout=7&application_name=ledger&keepalives_idle=9&tcp_user_timeout=1500\
         &channel_binding=require&options=-c%20lock_timeout%3D5s&sslmode=verify-full",
    );
    assert_eq!(options.session, Session::PreferStandby);
    assert!(options.any_order);
    assert_eq!(options.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(options.tls.mode, Mode::VerifyFull);
    let driver = options.driver(&options.targets()[0], "lane 1");
    assert_eq!(driver.get_application_name(), Some("ledger lane 1"));
    assert_eq!(driver.get_keepalives_idle(), Duration::from_secs(9));
    assert_eq!(
        driver.get_tcp_user_timeout(),
        Some(&Duration::from_millis(1500))
    );
    assert_eq!(driver.get_channel_binding(), ChannelBinding::Require);
    assert_eq!(driver.get_options(), Some("-c lock_timeout=5s"));
    assert_eq!(driver.get_ssl_mode(), SslMode::Require);
}

#[test]
fn several_hosts_mean_the_one_that_takes_writes() {
    let check = |text: &str, session| assert_eq!(parse(text).session, session, "{text}");
    check("host=a user=u", Session::Any);
    check("host=a,b user=u", Session::ReadWrite);
    check("host=a,b user=u target_session_attrs=any", Session::Any);
    check(
        "host=a user=u target_session_attrs=primary",
        Session::Primary,
    );
}

#[test]
fn a_machine_that_vanished_is_noticed_in_seconds() {
    let driver = |text| {
        let options = parse(text);
        let driver = options.driver(&options.targets()[0], "lane 1");
        let user = driver.get_tcp_user_timeout().map(Duration::as_secs);
        let keepalives = (
            driver.get_keepalives_idle().as_secs(),
            driver.get_keepalives_interval().map(|time| time.as_secs()),
            driver.get_keepalives_retries(),
        );
        (user, keepalives)
    };
    assert_eq!(driver("host=a user=u"), (Some(10), (10, Some(5), Some(3))));
    let (user, (idle, ..)) = driver("host=a user=u keepalives_idle=60 tcp_user_timeout=3000");
    assert_eq!((user, idle), (Some(3), 60));
}

#[test]
fn sslmodes_are_libpqs() {
    let check = |words: &str, mode, driver| {
        let options = parse(&format!("host=a user=u {words}"));
        assert_eq!(
            (options.tls.mode, options.tls.driver()),
            (mode, driver),
            "{words}"
        );
    };
    check("", Mode::Prefer, SslMode::Prefer);
    check("sslmode=disable", Mode::Disable, SslMode::Disable);
    check("sslmode=allow", Mode::Prefer, SslMode::Prefer);
    check("sslmode=require", Mode::Require, SslMode::Require);
    check(
        "sslmode=verify-ca sslrootcert=/ca.pem",
        Mode::VerifyCa,
        SslMode::Require,
    );
    check("sslmode=verify-full", Mode::VerifyFull, SslMode::Require);
    check("sslrootcert=system", Mode::VerifyFull, SslMode::Require);
}

#[test]
fn a_socket_never_speaks_tls() {
    let options = parse("host=/tmp user=u sslmode=require");
    let driver = options.driver(&options.targets()[0], "check");
    assert_eq!(driver.get_ssl_mode(), SslMode::Disable);
}

#[test]
fn what_cannot_be_meant_is_named() {
    let check = |text: &str, part: &str| {
        let error = text.parse::<Options>().expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
        assert!(
            !error.contains('\n') && !error.contains("secret"),
            "{error}"
        );
    };
    check("host=a user=u service=x", "`service`");
    check(
        "host=a user=u sslmode=on",
        "`sslmode` must be one of disable, allow",
    );
    check(
        "host=a user=u target_session_attrs=rw",
        "`target_session_attrs`",
    );
    check("host=a user=u port=x", "`port`");
    check("host=a,b user=u port=1,2,3", "`port`");
    check("host=a,b user=u hostaddr=::1", "`hostaddr`");
    check("host=a user=u connect_timeout=1s", "`connect_timeout`");
    check("host=a user=u sslmode=verify-ca", "sslrootcert");
    check(
        "host=a user=u sslmode=require sslrootcert=system",
        "verify-full",
    );
    check("host=a user=u sslcert=/c.pem", "sslkey");
    check("host=a user=u passfile=/nowhere", "/nowhere");
    check("postgresql://u:p/secret@h/d", "percent-encode");
}

#[test]
fn no_debug_or_display_shows_the_password() {
    let options = parse("postgresql://u:hunter2@a/d?sslmode=disable");
    let driver = options.driver(&options.targets()[0], "check");
    assert_eq!(driver.get_password(), Some(&b"hunter2"[..]));
    let shown = format!("{options:?} {} {driver:?}", options.describe());
    assert!(!shown.contains("hunter2"), "{shown}");
}
