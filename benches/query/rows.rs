//! A million instances.

use std::fmt::Write as _;

use flowtrail::pg::Pool;

/// Half of them of the app `orders`, the rest of nine other apps; versions and hosts come one after
/// the other, as releases and machines do; flows are mixed; one in a thousand failed.
const INSTANCES: &str = "
    insert into public.flowstate (flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, endtime,
      executiontime, status, rerunofflowinstanceid, flowinput, flowoutput, reruncount)
    select
      lpad(to_hex(i), 32, '0'), 'acme', case when i % 2 = 0 then 'orders' else 'app-' || i % 9 end, '1.' || i * 5 / ($1 + 1),
      'flow-' || i / 2 % 20, 'host-' || i * 50 / ($1 + 1), timestamp '2026-01-01' + i * interval '1 second',
      timestamp '2026-01-01' + i * interval '1 second' + interval '41 ms', '41.000',
      case when i % 1000 in (0, 1) then 'Failed' when i % 1000 in (4, 5) then 'Created' else 'Completed' end,
      case when i % 5000 = 2 then lpad('3', 32, '0') else '' end, convert_to(repeat('x', 200), 'UTF8'), '{}', 0
    from generate_series(1, $1) i";
const STEPS: &str = "
    insert into public.steps (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, rerun)
    select lpad(to_hex(i), 32, '0'), s::text, 'task', 'Completed', timestamp '2026-01-01' + i * interval '1 second',
      timestamp '2026-01-01' + i * interval '1 second', '0123456789012345678901234567890123456789', 'flow', '0', false
    from generate_series(1, $1) i, generate_series(0, 9) s";

pub(crate) async fn fill(pool: &Pool, instances: usize) -> anyhow::Result<()> {
    let client = pool.get().await?;
    client.batch_execute("set statement_timeout = 0").await?;
    for statement in [INSTANCES, STEPS] {
        let statement = statement.replace("$1", &instances.to_string());
        client.batch_execute(&statement).await?;
    }
    for statement in [
        "vacuum analyze public.flowstate",
        "vacuum analyze public.steps",
        "checkpoint",
    ] {
        client.batch_execute(statement).await?;
    }
    Ok(())
}

/// What the indexes of `flowstate` take, a line each.
pub(crate) async fn sizes(pool: &Pool) -> anyhow::Result<String> {
    let client = pool.get().await?;
    let statement = "select indexrelname::text, pg_catalog.pg_relation_size(indexrelid) >> 20
        from pg_catalog.pg_stat_user_indexes where relname = 'flowstate' order by 1";
    let mut lines = String::from("| index | MiB |\n| --- | ---: |\n");
    for row in client.query(statement, &[]).await? {
        let (name, size): (String, i64) = (row.get(0), row.get(1));
        writeln!(lines, "| {name} | {size} |")?;
    }
    Ok(lines)
}

const SHAPES: [(&str, [&str; 13]); 6] = {
    const N: &str = "null";
    const U: &str = "'acme'";
    const A: &str = "'orders'";
    const AT: &str = "'2026-01-05'";
    const ID: &str = "'8'";
    const L: &str = "51";
    [
        ("app", [U, A, N, N, N, N, N, N, N, N, AT, ID, L]),
        ("version", [U, A, "'1.1'", N, N, N, N, N, N, N, AT, ID, L]),
        ("flow", [U, A, N, "'flow-7'", N, N, N, N, N, N, AT, ID, L]),
        ("host", [U, A, N, N, "'host-17'", N, N, N, N, N, AT, ID, L]),
        (
            "status",
            [U, A, N, N, N, "'{Failed}'", N, N, N, N, AT, ID, L],
        ),
        (
            "time range",
            [
                U,
                A,
                N,
                N,
                N,
                N,
                "'2026-01-04'",
                "'2026-01-06'",
                N,
                N,
                N,
                N,
                L,
            ],
        ),
    ]
};

/// Prints the plans of a page of one app, as they are made with its values.
pub(crate) async fn plans(pool: &Pool) -> anyhow::Result<()> {
    let client = pool.get().await?;
    for (name, values) in SHAPES {
        let statement = match name {
            "flow" => include_str!("../../sql/query/instances_of_flow.sql"),
            _ => include_str!("../../sql/query/instances_of_app.sql"),
        };
        let mut explained = statement.to_owned();
        // the longer numbers first
        for (at, value) in values.into_iter().enumerate().rev() {
            explained = explained.replace(&format!("${}", at + 1), value);
        }
        println!("\n{name}");
        let explain = format!("explain (analyze, buffers) {explained}");
        for row in client.query(&explain, &[]).await? {
            println!("{}", row.get::<_, String>(0));
        }
    }
    Ok(())
}
