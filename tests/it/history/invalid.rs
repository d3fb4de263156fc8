//! What is refused, and what is only text.

use flowtrail::proto::{
    DeleteInstanceRequest, GetInstanceRequest, InstanceFilter, ListAttemptsRequest,
    ListStepsRequest,
};
use tonic::Code;

use super::{World, refused};

#[tokio::test]
async fn a_wrong_filter_is_refused_with_the_field() {
    let world = World::new().await;
    let check = async |field: &str, change: &dyn Fn(&mut InstanceFilter)| {
        let mut filter = InstanceFilter::default();
        change(&mut filter);
        let answer = world.page(&filter, 1, "").await;
        refused(answer, Code::InvalidArgument, field);
    };
    let nul = "a\0b".to_owned();
    let at = |seconds, nanos| prost_types::Timestamp { seconds, nanos };
    let span = |seconds, nanos| prost_types::Duration { seconds, nanos };
    check("user", &|f| f.user = Some(nul.clone())).await;
    check("app", &|f| f.app = Some(nul.clone())).await;
    check("app_version", &|f| f.app_version = Some(nul.clone())).await;
    check("flow_name", &|f| f.flow_name = Some(nul.clone())).await;
    check("host", &|f| f.host = Some(nul.clone())).await;
    check("host", &|f| f.host = Some("h".repeat(3_000))).await;
    for status in ["completed", "", "Running", "a\0"] {
        let statuses = ["Failed", status].map(str::to_owned);
        check("statuses", &|f| f.statuses = statuses.to_vec()).await;
    }
    let original = "original_instance_id";
    check(original, &|f| f.original_instance_id = Some(String::new())).await;
    check("started_from", &|f| f.started_from = Some(at(0, -1))).await;
    let end_of_time = at(i64::MAX, 0);
    check("started_before", &|f| f.started_before = Some(end_of_time)).await;
    check("started_before", &|f| {
        (f.started_from, f.started_before) = (Some(at(2, 0)), Some(at(1, 0)));
    })
    .await;
    let (least, most) = ("min_execution_time", "max_execution_time");
    check(least, &|f| f.min_execution_time = Some(span(-1, 0))).await;
    let nanos = span(0, 1_000_000_000);
    check(most, &|f| f.max_execution_time = Some(nanos)).await;
    check(most, &|f| {
        (f.min_execution_time, f.max_execution_time) = (Some(span(2, 0)), Some(span(1, 0)));
    })
    .await;

    let none = InstanceFilter::default();
    let answer = world.page(&none, 1_001, "").await;
    refused(answer, Code::InvalidArgument, "page_size");
    for page in ["x", "AAAA", "%", "' or true --"] {
        let answer = world.page(&none, 1, page).await;
        refused(answer, Code::InvalidArgument, "page");
    }
    world.end().await;
}

#[tokio::test]
async fn a_wrong_id_is_refused_and_an_unknown_one_is_not_found() {
    let world = World::new().await;
    let mut client = world.client.clone();
    let long = "x".repeat(3_000);
    let wrong = ["", "a\0b", &long].map(|id| (id, Code::InvalidArgument, "instance_id"));
    for (id, code, word) in wrong
        .into_iter()
        .chain([("i", Code::NotFound, "instance i")])
    {
        for attempt in [0, 1, 2] {
            let get = GetInstanceRequest {
                instance_id: id.to_owned(),
                attempt,
            };
            refused(client.get_instance(get).await, code, word);
            let list = ListStepsRequest {
                instance_id: id.to_owned(),
                attempt,
                ..ListStepsRequest::default()
            };
            refused(client.list_steps(list).await, code, word);
            refused(world.content(id, attempt, 0).await, code, word);
        }
        let instance_id = id.to_owned();
        let list = ListAttemptsRequest { instance_id };
        refused(client.list_attempts(list).await, code, word);
        let instance_id = id.to_owned();
        let delete = DeleteInstanceRequest { instance_id };
        refused(client.delete_instance(delete).await, code, word);
    }
    let list = ListStepsRequest {
        instance_id: "i".into(),
        page_size: 1_001,
        ..ListStepsRequest::default()
    };
    let answer = client.list_steps(list).await;
    refused(answer, Code::InvalidArgument, "page_size");
    world.end().await;
}

#[tokio::test]
async fn statements_in_texts_are_texts() {
    let texts = [
        "' or '1'='1",
        "'; drop table public.flowstate; --",
        "\\",
        "$1",
        "%",
        "{a,b}",
        "\"",
        "größe ☃ 𝄞",
        "E'\\x00'",
    ];
    let world = World::new().await;
    let insert = "insert into public.flowstate (flowinstanceid, userid, appname, appversion, flowname, hostid, status, starttime)
                  values ($1, $1, $1, $1, $1, $1, 'Failed', '2026-01-01')";
    for text in texts {
        world.sql.execute(insert, &[&text]).await.unwrap();
    }
    let mut client = world.client.clone();
    for text in texts {
        let some = || Some(text.to_owned());
        let filter = InstanceFilter {
            user: some(),
            app: some(),
            app_version: some(),
            flow_name: some(),
            host: some(),
            ..InstanceFilter::default()
        };
        assert_eq!(world.ids(&filter, 10).await, [text]);
        let filter = InstanceFilter {
            app: some(),
            ..InstanceFilter::default()
        };
        assert_eq!(world.ids(&filter, 10).await, [text]);
        let get = GetInstanceRequest {
            instance_id: text.into(),
            attempt: 0,
        };
        let found = client.get_instance(get).await.unwrap().into_inner();
        assert_eq!(found.instance.unwrap().instance_id, text);
    }
    assert_eq!(
        world.ids(&InstanceFilter::default(), 2).await.len(),
        texts.len()
    );
    world.end().await;
}

#[tokio::test]
async fn a_database_that_is_away_is_said_to_be() {
    let cluster = crate::support::Cluster::start().await;
    let url = cluster.url("postgres");
    let service = crate::support::serve(&url, &["--connect-timeout", "2s"]).await;
    let address = format!("http://{}", service.local_addr());
    let mut client = flowtrail::proto::history_client::HistoryClient::connect(address)
        .await
        .unwrap();
    cluster.stop().await;
    let get = GetInstanceRequest {
        instance_id: "i".into(),
        attempt: 0,
    };
    let answer = client.get_instance(get).await;
    refused(answer, Code::Unavailable, "database");
    cluster.start_again().await;
    service.stop().await.unwrap();
}
