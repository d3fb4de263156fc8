//! Sessions that end or go astray: no row is blamed for it.

use flowtrail::proto::Durability;

use crate::support::{self, Stream, hello, step};

#[tokio::test]
async fn a_transaction_that_the_database_ends_speaks_against_no_row() {
    let database = support::database().await;
    let client = database.client().await;
    // the first is what is said to a transaction in which the lane was silent for too long
    client
        .batch_execute(
            "create sequence public.tries;
            create function public.ended() returns trigger language plpgsql as $$
            declare
              code text := (array['25P03', '26000', '57000'])[nextval('public.tries')];
            begin
              if code is not null then
                raise exception 'ended' using errcode = code;
              end if;
              return null;
            end $$;
            create trigger ended before insert on public.steps
              for each statement execute function public.ended()",
        )
        .await
        .unwrap();
    let service = support::serve(&database.url, &["--lanes", "1"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    // alone in its batch: nothing is left to halve
    stream.chunk([step("i", 0)]).await;
    let sum = stream.finish().await;
    assert_eq!((sum.recorded, sum.invalid), (1, 0), "{sum:?}");
    support::eventually("the step is stored", async || {
        let stored =
            "select exists (select from public.steps), (select last_value from public.tries)";
        let row = client.query_one(stored, &[]).await.unwrap();
        row.get(0) && row.get::<_, i64>(1) == 4
    })
    .await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_session_that_lost_its_statements_is_replaced() {
    let database = support::database().await;
    let client = database.client().await;
    client
        .batch_execute(
            "create function public.forget() returns trigger language plpgsql as $$
            begin
              deallocate all;
              return null;
            end $$;
            create trigger forget after insert on public.steps
              for each statement execute function public.forget()",
        )
        .await
        .unwrap();
    let service = support::serve(&database.url, &["--lanes", "1"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    for number in 0..3 {
        stream.chunk([step("i", number)]).await;
        let ack = stream.ack().await;
        assert_eq!((ack.recorded, ack.invalid), (1, 0), "{ack:?}");
        assert_eq!(ack.durability(), Durability::Committed, "{ack:?}");
    }
    stream.finish().await;
    service.stop().await.unwrap();
}
