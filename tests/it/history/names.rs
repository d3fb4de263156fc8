//! Lineage, and what there are instances of.

use flowtrail::{
    proto::{GetCatalogueRequest, GetLineageRequest},
    query::{Filter, History},
};
use tonic::Code;

use super::{World, refused};

async fn lineage(world: &World, id: &str) -> Result<String, tonic::Status> {
    let request = GetLineageRequest {
        instance_id: id.into(),
    };
    let found = world
        .client
        .clone()
        .get_lineage(request)
        .await?
        .into_inner();
    let ids = |instances: Vec<flowtrail::proto::Instance>| {
        let ids: Vec<_> = instances.into_iter().map(|i| i.instance_id).collect();
        ids.join(" ")
    };
    let missing = if found.original_missing { "?" } else { "" };
    Ok(format!(
        "{}{missing} | {}",
        ids(found.originals),
        ids(found.reruns)
    ))
}

#[tokio::test]
async fn originals_are_followed_and_reruns_are_listed() {
    let world = World::with(
        "insert into public.flowstate (flowinstanceid, hostid, starttime, rerunofflowinstanceid) values
           ('first', '', '2026-01-01', ''), ('second', '', '2026-01-02', 'first'), ('third', '', '2026-01-03', 'second'),
           ('other', '', '2026-01-04', 'first'), ('lost', '', '2026-01-05', 'gone'), ('null', '', '2026-01-05', null),
           ('x', '', '2026-01-06', 'y'), ('y', '', '2026-01-07', 'x'), ('self', '', '2026-01-08', 'self');
         insert into public.steps (flowinstanceid, stepid) values ('steps', '0');
         insert into public.flowstate (flowinstanceid, hostid, rerunofflowinstanceid)
           select 'c' || n, '', 'c' || n + 1 from generate_series(1, 150) n",
    )
    .await;
    let check = async |id: &str, expected: &str| {
        assert_eq!(lineage(&world, id).await.unwrap(), expected, "{id}");
    };
    check("first", " | other second").await;
    check("second", "first | third").await;
    check("third", "second first | ").await;
    check("lost", "? | ").await;
    check("null", " | ").await;
    check("x", "y | y").await;
    check("self", " | self").await;
    check("steps", " | ").await;
    let long = lineage(&world, "c1").await.unwrap();
    assert_eq!(long.split(" | ").next().unwrap().split(' ').count(), 100);
    refused(lineage(&world, "nothing").await, Code::NotFound, "nothing");
    refused(
        lineage(&world, "").await,
        Code::InvalidArgument,
        "instance_id",
    );
    refused(
        lineage(&world, "a\0").await,
        Code::InvalidArgument,
        "instance_id",
    );
    world.end().await;
}

#[tokio::test]
async fn the_catalogue_names_what_there_are_instances_of() {
    let world = World::with(
        "insert into public.flowstate (flowinstanceid, userid, appname, appversion, flowname, hostid)
         select u || a || v || f || n, u, a, v, f, 'h' || n
         from unnest(array['acme', 'zeta']) u, unnest(array['orders', 'stock']) a, unnest(array['1', '2']) v,
           unnest(array['main', 'side']) f, generate_series(1, 3) n
         where not (u = 'zeta' and a = 'stock') and not (v = '2' and f = 'main');
         insert into public.flowstate (flowinstanceid, userid, appname, appversion, flowname, hostid)
         values ('n1', null, 'orders', '1', 'main', ''), ('n2', 'acme', null, '1', 'main', ''),
           ('n3', 'acme', 'bare', null, null, ''), ('n5', 'acme', 'bare', null, 'lone', ''), ('n4', 'acme', 'orders', '1', 'odd', 'h9')",
    )
    .await;
    let catalogue = async |user: Option<&str>, app: Option<&str>| {
        let request = GetCatalogueRequest {
            user: user.map(Into::into),
            app: app.map(Into::into),
        };
        let found = world
            .client
            .clone()
            .get_catalogue(request)
            .await?
            .into_inner();
        let apps = found.apps.into_iter().map(|app| {
            let versions = app.versions.into_iter();
            let versions =
                versions.map(|v| format!("{}:{}", v.app_version, v.flow_names.join(",")));
            format!(
                "{}/{} {}",
                app.user,
                app.app,
                versions.collect::<Vec<_>>().join(" ")
            )
        });
        Ok::<_, tonic::Status>(apps.collect::<Vec<_>>())
    };
    let orders = "acme/orders 1:main,odd,side 2:side";
    let stock = "acme/stock 1:main,side 2:side";
    let zeta = "zeta/orders 1:main,side 2:side";
    assert_eq!(catalogue(None, None).await.unwrap(), [orders, stock, zeta]);
    assert_eq!(
        catalogue(Some("acme"), None).await.unwrap(),
        [orders, stock]
    );
    assert_eq!(
        catalogue(None, Some("orders")).await.unwrap(),
        [orders, zeta]
    );
    assert_eq!(
        catalogue(Some("zeta"), Some("orders")).await.unwrap(),
        [zeta]
    );
    assert_eq!(
        catalogue(Some("zeta"), Some("stock")).await.unwrap(),
        [""; 0]
    );
    refused(
        catalogue(Some("a\0"), None).await,
        Code::InvalidArgument,
        "user",
    );

    let history = History::new(world.service.pool().clone());
    assert_eq!(
        history.versions("acme", "orders").await.unwrap(),
        ["1", "2"]
    );
    assert_eq!(history.versions("acme", "nothing").await.unwrap(), [""; 0]);
    let flows = async |host| history.flows("acme", "orders", "1", host).await.unwrap();
    assert_eq!(flows(None).await, ["main", "odd", "side"]);
    assert_eq!(flows(Some("h1")).await, ["main", "side"]);
    assert_eq!(flows(Some("h9")).await, ["odd"]);
    assert_eq!(flows(Some("h7")).await, [""; 0]);

    for app in [None, Some("bare")] {
        let lone = Filter {
            user: app.map(|_| "acme".into()),
            app: app.map(Into::into),
            flow: Some("lone".into()),
            ..Filter::default()
        };
        let page = history.instances(&lone, None, 10).await.unwrap();
        let ids: Vec<_> = page.instances.into_iter().map(|i| i.id).collect();
        assert_eq!(ids, ["n5"], "a flow of an app without a version, {app:?}");
    }
    assert_eq!(history.versions("acme", "bare").await.unwrap(), [""; 0]);
    world.end().await;
}

#[tokio::test]
async fn two_names_with_one_key_are_told_apart() {
    const ONE: &str = "flow-one-abcM90Wob9tx-.k";
    const OTHER: &str = "UgqL1qMS3qDcXPx9X.zg6x9A";
    let world = World::with(&format!(
        "insert into public.flowstate (flowinstanceid, userid, appname, appversion, flowname, hostid, starttime) values
           ('a', 'acme', 'orders', '{ONE}', '{ONE}', '{ONE}', '2026-01-01'),
           ('b', 'acme', 'orders', '{OTHER}', '{OTHER}', '{OTHER}', '2026-01-02')"
    ))
    .await;
    let keys = format!("select hashtextextended('{ONE}', 0) = hashtextextended('{OTHER}', 0)");
    let client = world.service.pool().get().await.unwrap();
    let same: bool = client.query_one(&keys, &[]).await.unwrap().get(0);
    assert!(same, "they have one key");
    let history = History::new(world.service.pool().clone());
    for (name, expected) in [(ONE, "a"), (OTHER, "b")] {
        for app in [Some("orders"), None] {
            let named = || Some(name.to_owned());
            let of_app = Filter {
                user: app.map(|_| "acme".into()),
                app: app.map(Into::into),
                ..Filter::default()
            };
            for filter in [
                Filter {
                    version: named(),
                    ..of_app.clone()
                },
                Filter {
                    flow: named(),
                    ..of_app.clone()
                },
                Filter {
                    host: named(),
                    ..of_app.clone()
                },
            ] {
                let page = history.instances(&filter, None, 10).await.unwrap();
                let (at, count) = history.instances_at(&filter, 0, 10).await.unwrap();
                for instances in [page.instances, at] {
                    let ids: Vec<_> = instances.into_iter().map(|i| i.id).collect();
                    assert_eq!(ids, [expected], "{filter:?}");
                }
                assert_eq!(count, 1, "{filter:?}");
            }
        }
    }
    drop(client);
    world.end().await;
}
