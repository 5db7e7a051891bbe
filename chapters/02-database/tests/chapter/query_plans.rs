//! SQL tuning: the plans before and after an index, paging by key, and the trigram search.

use ch02_database::catalog::{
    GameCursor, GameQuery, GameSort, TitleSearch, ensure_title_index, plan_shape, rows_read,
};
use ch02_database::postgres::{connect, migrate};
use sqlx::postgres::PgPool;
use sqlx::{Connection, Executor, PgConnection};

/// Enough games that the planner prefers an index.
const MANY: i64 = 20_000;

async fn many_games(database: &testbed::Postgres) -> PgPool {
    let pool = connect(&database.url()).unwrap();
    migrate(&pool, &[]).await.unwrap();
    let insert = format!(
        "INSERT INTO games (id, slug, title, description, genre, developer, publisher, platform, \
         release_date, price_cents, images, trailer, updated_at) \
         SELECT n, n::text, md5(n::text), '', 'genre-' || n % 2000, '', '', '', \
         date '2010-01-01' + (n % 5000)::int, 1, '{{}}', '', now() FROM generate_series(1, {MANY}) n"
    );
    // Seeding takes longer than the time limit of a pool's statement may allow.
    let mut db = PgConnection::connect(&database.url()).await.unwrap();
    db.execute(sqlx::AssertSqlSafe(insert)).await.unwrap();
    db.execute("VACUUM ANALYZE games").await.unwrap();
    pool
}

async fn shape(pool: &PgPool, query: &GameQuery) -> String {
    plan_shape(pool, query).await.unwrap()
}

#[tokio::test]
async fn indexes_change_the_plans() {
    let database = testbed::postgres().await.unwrap();
    let pool = many_games(&database).await;
    let genre = GameQuery {
        genre: Some("genre-7".to_owned()),
        ..GameQuery::default()
    };
    let text = GameQuery {
        text: Some("abcdef".to_owned()),
        ..GameQuery::default()
    };
    let newest = GameQuery {
        sort: GameSort::Newest,
        ..GameQuery::default()
    };
    for index in ["games_by_genre", "games_by_date"] {
        let drop = format!("DROP INDEX {index}");
        pool.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
    }
    insta::assert_snapshot!("genre_without_index", shape(&pool, &genre).await);
    insta::assert_snapshot!("text_without_index", shape(&pool, &text).await);
    insta::assert_snapshot!("newest_without_index", shape(&pool, &newest).await);

    pool.execute(
        "CREATE INDEX games_by_genre ON games (genre, id); \
         CREATE INDEX games_by_date ON games (release_date DESC, (-id) DESC)",
    )
    .await
    .unwrap();
    let search = ensure_title_index(&pool).await.unwrap();
    assert_eq!(search, TitleSearch::Trigrams);
    assert_eq!(ensure_title_index(&pool).await.unwrap(), search, "again");
    insta::assert_snapshot!("genre_with_index", shape(&pool, &genre).await);
    insta::assert_snapshot!("text_with_index", shape(&pool, &text).await);
    insta::assert_snapshot!("newest_with_index", shape(&pool, &newest).await);
}

#[tokio::test]
async fn paging_by_key_reads_one_page() {
    let database = testbed::postgres().await.unwrap();
    let pool = many_games(&database).await;
    let page = GameQuery {
        page: 401,
        ..GameQuery::default()
    };
    let by_offset = rows_read(&pool, &page).await.unwrap();
    assert_eq!(by_offset, 400 * 24 + 25, "OFFSET reads what it skips");
    let last_of_page_400 = GameCursor::by_id(400 * 24);
    for sort in [GameSort::Id, GameSort::BestRated, GameSort::Newest] {
        let query = GameQuery {
            sort,
            after: Some(last_of_page_400),
            ..GameQuery::default()
        };
        let read = rows_read(&pool, &query).await.unwrap();
        assert!(
            read <= 25,
            "paging by key must read one page and one row, not {read}: {sort:?}"
        );
    }
}

#[tokio::test]
async fn search_works_without_the_extension() {
    let database = testbed::postgres().await.unwrap();
    let pool = many_games(&database).await;
    // A user who may not create extensions, as on a managed server.
    pool.execute(
        "DO $$ BEGIN CREATE ROLE no_extensions LOGIN; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
    )
    .await
    .unwrap();
    pool.execute("GRANT SELECT ON games TO no_extensions")
        .await
        .unwrap();
    let url = database.url().replace("workshop@", "no_extensions@");
    let limited = connect(&url).unwrap();
    let search = ensure_title_index(&limited).await.unwrap();
    assert!(
        matches!(&search, TitleSearch::Scan { reason } if reason.contains("permission")),
        "a missing permission is no error, but it must be reported: {search:?}"
    );
    let text = GameQuery {
        text: Some("abcdef".to_owned()),
        ..GameQuery::default()
    };
    assert!(shape(&limited, &text).await.contains("Seq Scan"));
}
