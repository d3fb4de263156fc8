//! What is refused, and what is only text.

use flowtrail::proto::{
    DeleteInstanceRequest, GetInstanceRequest, InstanceFilter, ListAttemptsRequest,
    ListStepsRequest,
};
use tonic::Code;

use super::{World, refused};

#[tokio::test]
async fn a_wrong_question_is_refused_with_the_field() {
    let world = World::new().await;
    let check = async |filter: InstanceFilter, field: &str| {
        let answer = world.page(&filter, 1, "").await;
        refused(answer, Code::InvalidArgument, field);
    };
    let none = InstanceFilter::default;
    let nul = || Some("a\0b".to_owned());
    let at = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    let span = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    check(
        InstanceFilter {
            user: nul(),
            ..none()
        },
        "user",
    )
    .await;
    check(
        InstanceFilter {
            app: nul(),
            ..none()
        },
        "app",
    )
    .await;
    check(
        InstanceFilter {
            app_version: nul(),
            ..none()
        },
        "app_version",
    )
    .await;
    check(
        InstanceFilter {
            flow_name: nul(),
            ..none()
        },
        "flow_name",
    )
    .await;
    check(
        InstanceFilter {
            host: nul(),
            ..none()
        },
        "host",
    )
    .await;
    check(
        InstanceFilter {
            host: Some("h".repeat(3_000)),
            ..none()
        },
        "host",
    )
    .await;
    for status in ["completed", "", "Running", "a\0"] {
        let statuses = vec!["Failed".to_owned(), status.to_owned()];
        check(InstanceFilter { statuses, ..none() }, "statuses").await;
    }
    check(
        InstanceFilter {
            original_instance_id: Some(String::new()),
            ..none()
        },
        "original_instance_id",
    )
    .await;
    check(
        InstanceFilter {
            started_from: at(0, -1),
            ..none()
        },
        "started_from",
    )
    .await;
    check(
        InstanceFilter {
            started_before: at(i64::MAX, 0),
            ..none()
        },
        "started_before",
    )
    .await;
    check(
        InstanceFilter {
            started_from: at(2, 0),
            started_before: at(1, 0),
            ..none()
        },
        "started_before",
    )
    .await;
    check(
        InstanceFilter {
            min_execution_time: span(-1, 0),
            ..none()
        },
        "min_execution_time",
    )
    .await;
    check(
        InstanceFilter {
            max_execution_time: span(0, 1_000_000_000),
            ..none()
        },
        "max_execution_time",
    )
    .await;
    check(
        InstanceFilter {
            min_execution_time: span(2, 0),
            max_execution_time: span(1, 0),
            ..none()
        },
        "max_execution_time",
    )
    .await;
    refused(
        world.page(&none(), 1_001, "").await,
        Code::InvalidArgument,
        "page_size",
    );
    for page in ["x", "AAAA", "%", "' or true --"] {
        refused(
            world.page(&none(), 1, page).await,
            Code::InvalidArgument,
            "page",
        );
    }

    let mut client = world.client.clone();
    for id in ["", "a\0b", &"x".repeat(3_000)] {
        let (invalid, field) = (Code::InvalidArgument, "instance_id");
        let instance_id = id.to_owned();
        let get = GetInstanceRequest {
            instance_id: instance_id.clone(),
            attempt: 0,
        };
        refused(client.get_instance(get).await, invalid, field);
        let list = ListStepsRequest {
            instance_id: instance_id.clone(),
            ..ListStepsRequest::default()
        };
        refused(client.list_steps(list).await, invalid, field);
        let list = ListAttemptsRequest {
            instance_id: instance_id.clone(),
        };
        refused(client.list_attempts(list).await, invalid, field);
        let delete = DeleteInstanceRequest { instance_id };
        refused(client.delete_instance(delete).await, invalid, field);
        refused(world.content(id, 0, 0).await, invalid, field);
        refused(world.content(id, 1, 0).await, invalid, field);
    }
    let list = ListStepsRequest {
        instance_id: "i".into(),
        page_size: 1_001,
        ..ListStepsRequest::default()
    };
    refused(
        client.list_steps(list).await,
        Code::InvalidArgument,
        "page_size",
    );
    for attempt in [0, 1, 2] {
        let get = GetInstanceRequest {
            instance_id: "i".into(),
            attempt,
        };
        refused(client.get_instance(get).await, Code::NotFound, "instance i");
    }
    let list = ListStepsRequest {
        instance_id: "i".into(),
        ..ListStepsRequest::default()
    };
    refused(client.list_steps(list).await, Code::NotFound, "instance i");
    let list = ListAttemptsRequest {
        instance_id: "i".into(),
    };
    refused(
        client.list_attempts(list).await,
        Code::NotFound,
        "instance i",
    );
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
