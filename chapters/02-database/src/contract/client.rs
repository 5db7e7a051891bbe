//! One client of the catalogue's database: it reads its own writes, as the user of a session does.

use parking_lot::Mutex;

use crate::catalog::{
    ActivityKey, Catalog, DeleteOutcome, GameChange, GamePage, GameQuery, GameVersion, NewReview,
    Social,
};
use crate::model::{Activity, Friend, Game, GameId, Order, Product, Review, ReviewId, StoreError};
use crate::replication::{Consistency, ConsistencyToken, Read, Written};

/// Remembers the token of its latest write and sends it with every read.
pub(super) struct Client<'c> {
    pub(super) catalog: &'c dyn Catalog,
    social: Option<&'c dyn Social>,
    latest: Mutex<Option<ConsistencyToken>>,
}

impl<'c> Client<'c> {
    pub(super) fn new(catalog: &'c dyn Catalog) -> Self {
        Client {
            catalog,
            social: None,
            latest: Mutex::default(),
        }
    }

    /// Both traits are of the same store.
    pub(super) fn with_social(catalog: &'c dyn Catalog, social: &'c dyn Social) -> Self {
        Client {
            social: Some(social),
            ..Client::new(catalog)
        }
    }

    fn social(&self) -> &dyn Social {
        self.social.expect("this contract is of `Social` too")
    }

    fn consistency(&self) -> Consistency {
        (*self.latest.lock()).into()
    }

    fn remember<T>(&self, written: Written<T>) -> T {
        let mut latest = self.latest.lock();
        *latest = written.token.max(*latest);
        written.value
    }

    pub(super) async fn game(&self, id: GameId) -> Result<Read<Option<Game>>, StoreError> {
        self.catalog.game(id, self.consistency()).await
    }

    pub(super) async fn product(&self, id: GameId) -> Result<Read<Option<Product>>, StoreError> {
        self.catalog.product(id, self.consistency()).await
    }

    pub(super) async fn list(&self, query: &GameQuery) -> Result<Read<GamePage>, StoreError> {
        self.catalog.list(query, self.consistency()).await
    }

    pub(super) async fn versions(&self) -> Result<Read<Vec<GameVersion>>, StoreError> {
        self.catalog.versions(self.consistency()).await
    }

    pub(super) async fn change(
        &self,
        id: GameId,
        change: &GameChange,
    ) -> Result<Option<Game>, StoreError> {
        let written = self.catalog.change(id, change).await?;
        Ok(self.remember(written))
    }

    pub(super) async fn add_review(
        &self,
        id: GameId,
        review: &NewReview,
    ) -> Result<Option<Review>, StoreError> {
        let written = self.catalog.add_review(id, review).await?;
        Ok(self.remember(written))
    }

    pub(super) async fn delete_review(
        &self,
        id: GameId,
        review: ReviewId,
        customer: &str,
    ) -> Result<DeleteOutcome, StoreError> {
        let written = self.catalog.delete_review(id, review, customer).await?;
        Ok(self.remember(written))
    }

    pub(super) async fn friends(
        &self,
        customer: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Read<Vec<Friend>>, StoreError> {
        let read = self
            .social()
            .friends(customer, after, limit, self.consistency());
        read.await
    }

    pub(super) async fn activity(
        &self,
        customer: &str,
        viewer: Option<&str>,
        before: Option<&ActivityKey>,
        limit: usize,
    ) -> Result<Read<Vec<Activity>>, StoreError> {
        let consistency = self.consistency();
        let social = self.social();
        social
            .activity(customer, viewer, before, limit, consistency)
            .await
    }

    pub(super) async fn friends_activity(
        &self,
        reader: &str,
        before: Option<&ActivityKey>,
        limit: usize,
    ) -> Result<Read<Vec<Activity>>, StoreError> {
        let consistency = self.consistency();
        let social = self.social();
        social
            .friends_activity(reader, before, limit, consistency)
            .await
    }

    pub(super) async fn record_order(&self, order: &Order) -> Result<(), StoreError> {
        let written = self.social().record_order(order).await?;
        self.remember(written);
        Ok(())
    }
}
