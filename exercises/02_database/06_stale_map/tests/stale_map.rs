// The tests of `stale_map`. Their network records every request, and moves a bucket exactly between
// two of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use stale_map::{
    Bucket, Client, Epoch, InsertError, MAX_ATTEMPTS, Network, Order, Owner, PlaceError, Shard,
    ShardId, ShardMap,
};

/// What a client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Insert(ShardId, Epoch),
    LoadMap,
}

/// Three shards and a directory.
#[derive(Clone, Default)]
struct Cluster(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    shards: HashMap<ShardId, Shard>,
    directory: ShardMap,
    requests: Vec<Request>,
    /// The moves that happen after the next times that the map is loaded.
    moves_after_load: Vec<(Bucket, Owner)>,
    /// The next insert gets no answer, and is stored or not.
    next_is_lost: Option<bool>,
}

impl Cluster {
    /// A cluster of three shards with these buckets.
    fn new(buckets: &[(Bucket, Owner)]) -> Cluster {
        let cluster = Cluster::default();
        for (bucket, owner) in buckets {
            cluster.move_bucket(*bucket, *owner);
        }
        cluster
    }

    /// A client that has loaded the map now.
    fn client(&self) -> Client<Cluster> {
        Client::new(self.clone(), self.0.borrow().directory.clone())
    }

    /// Moves a bucket. The directory knows it.
    fn move_bucket(&self, bucket: Bucket, owner: Owner) {
        self.0.borrow_mut().move_bucket(bucket, owner);
    }

    /// The requests since the last call.
    fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.0.borrow_mut().requests)
    }

    /// The ids of a shard's orders.
    fn orders(&self, shard: ShardId) -> Vec<u64> {
        let state = self.0.borrow();
        let orders = state.shards.get(&shard).map(Shard::orders);
        orders.unwrap_or_default().iter().map(|it| it.id).collect()
    }
}

impl State {
    fn move_bucket(&mut self, bucket: Bucket, owner: Owner) {
        self.shards.values_mut().for_each(|it| it.take(bucket));
        let shard = self.shards.entry(owner.shard).or_default();
        shard.give(bucket, owner.epoch);
        self.directory.insert(bucket, owner);
    }
}

impl Network for Cluster {
    fn insert(&self, shard: ShardId, order: Order, epoch: Epoch) -> Result<(), InsertError> {
        let mut state = self.0.borrow_mut();
        state.requests.push(Request::Insert(shard, epoch));
        assert!(
            state.requests.len() < 50,
            "one order has caused 50 requests, and there is no end: how often do you try?"
        );
        let lost = state.next_is_lost.take();
        if lost != Some(false) {
            let result = state.shards.entry(shard).or_default().insert(order, epoch);
            if lost.is_none() {
                return result;
            }
        }
        Err(InsertError::NoAnswer)
    }

    fn load_map(&self) -> ShardMap {
        let mut state = self.0.borrow_mut();
        state.requests.push(Request::LoadMap);
        let map = state.directory.clone();
        if !state.moves_after_load.is_empty() {
            let (bucket, owner) = state.moves_after_load.remove(0);
            state.move_bucket(bucket, owner);
        }
        map
    }
}

fn owner(shard: ShardId, epoch: Epoch) -> Owner {
    Owner { shard, epoch }
}

fn order(id: u64, bucket: Bucket) -> Order {
    Order { id, bucket }
}

// Rule 1.
#[test]
fn shard_stores_orders_of_its_buckets() {
    let mut shard = Shard::default();
    shard.give(7, 3);

    assert_eq!(
        shard.insert(order(1, 7), 3),
        Ok(()),
        "the shard owns bucket 7 with epoch 3, which the request names"
    );
    assert_eq!(
        shard.orders(),
        [order(1, 7)],
        "the shard accepted order 1, so it must have stored it"
    );
}

// Rule 1.
#[test]
fn shard_refuses_what_does_not_fit() {
    for (bucket, epoch, why) in [
        (
            8,
            3,
            "the shard has never owned bucket 8: do you look for the bucket?",
        ),
        (
            7,
            2,
            "the request names epoch 2, but the bucket has 3: does an old epoch get through?",
        ),
        (
            7,
            4,
            "the request names epoch 4, so the bucket has another owner, who has got 4: does a \
                newer epoch get through?",
        ),
        (
            9,
            3,
            "bucket 9 was taken away from this shard: do you look at what it owns now?",
        ),
    ] {
        let mut shard = Shard::default();
        shard.give(7, 3);
        shard.give(9, 3);
        shard.take(9);

        let result = shard.insert(order(1, bucket), epoch);

        assert_eq!(result, Err(InsertError::StaleMap), "{why}");
        assert_eq!(
            shard.orders(),
            [],
            "the shard refused an order, but it has stored it. Do you check before you store?"
        );
    }
}

// Rule 2.
#[test]
fn order_goes_to_the_owner_at_once() {
    let cluster = Cluster::new(&[(7, owner(0, 3)), (8, owner(1, 5))]);
    let mut client = cluster.client();

    for (bucket, expected) in [(7, Request::Insert(0, 3)), (8, Request::Insert(1, 5))] {
        for id in 1..=2 {
            assert_eq!(
                client.place(order(id, bucket)),
                Ok(()),
                "the client's map is up to date, so the owner accepts the order. Which shard and \
                 which epoch does it get?"
            );
            assert_eq!(
                cluster.requests(),
                [expected],
                "the client's map is up to date, so an order of bucket {bucket} needs one request: \
                 to its owner, with the bucket's own epoch. Do you load the map for each order?"
            );
        }
    }
}

// Rule 3.
#[test]
fn refused_order_reaches_the_new_owner() {
    let cluster = Cluster::new(&[(7, owner(0, 1))]);
    let mut client = cluster.client();
    cluster.move_bucket(7, owner(1, 2));

    let result = client.place(order(1, 7));

    assert_eq!(
        result,
        Ok(()),
        "bucket 7 has moved to shard 1, and shard 0 refused the order. The customer must not \
         notice. The requests were {:?}: does your second attempt use the new map?",
        cluster.requests()
    );
    assert_eq!(
        cluster.requests(),
        [
            Request::Insert(0, 1),
            Request::LoadMap,
            Request::Insert(1, 2)
        ],
        "a refused order needs three requests: refused, the map, accepted. Do you ask the shards \
         instead of the map?"
    );
    assert_eq!(cluster.orders(1), [1], "shard 1 must have the order, once");
    assert_eq!(
        cluster.orders(0),
        [0; 0],
        "shard 0 must not have the order: nobody would look for it there"
    );
}

// Rule 4. The bucket moves on while the client loads the map.
#[test]
fn second_refusal_is_tried_again() {
    let cluster = Cluster::new(&[(7, owner(0, 1))]);
    let mut client = cluster.client();
    cluster.move_bucket(7, owner(1, 2));
    cluster.0.borrow_mut().moves_after_load = vec![(7, owner(2, 3))];

    let result = client.place(order(1, 7));

    assert_eq!(
        result,
        Ok(()),
        "the bucket moved again after the client had loaded the map, so two attempts were refused, \
         and {MAX_ATTEMPTS} are allowed: do you give up too early?"
    );
    assert_eq!(cluster.orders(2), [1], "the last owner must have the order");
}

// Rule 4. An unfinished move: the directory names an owner that refuses.
#[test]
fn attempts_end() {
    let cluster = Cluster::new(&[(7, owner(0, 1))]);
    let mut client = cluster.client();
    cluster.0.borrow_mut().shards.clear();

    let result = client.place(order(1, 7));

    assert_eq!(
        result,
        Err(PlaceError::NoOwner),
        "every shard refuses bucket 7, so the order is stored nowhere"
    );
    let requests = cluster.requests();
    let inserts = requests.iter().filter(|it| **it != Request::LoadMap);
    assert_eq!(
        inserts.count(),
        MAX_ATTEMPTS,
        "an order is tried {MAX_ATTEMPTS} times, the first attempt included: how often do you try? \
         The requests were {requests:?}"
    );
}

// Rule 5.
#[test]
fn loaded_map_is_kept() {
    let cluster = Cluster::new(&[(7, owner(0, 1))]);
    let mut client = cluster.client();
    cluster.move_bucket(7, owner(1, 2));
    client.place(order(1, 7)).unwrap();
    cluster.requests();

    client.place(order(2, 7)).unwrap();

    assert_eq!(
        cluster.requests(),
        [Request::Insert(1, 2)],
        "the client learnt the new owner with the first order, so the second order needs one \
         request. Where do you keep the map that you load?"
    );
}

// Rule 6. The client has learnt that bucket 7 has epoch 5. Then it reads from a directory that is
// behind.
#[test]
fn old_directory_replaces_no_newer_entry() {
    let cluster = Cluster::new(&[(7, owner(1, 5)), (8, owner(0, 1))]);
    let mut client = cluster.client();
    cluster.move_bucket(8, owner(2, 6));
    let behind = ShardMap::from([(7, owner(0, 4)), (8, owner(0, 1))]);
    cluster.0.borrow_mut().directory = behind;
    assert_eq!(
        client.place(order(1, 8)),
        Err(PlaceError::NoOwner),
        "the directory does not know the new owner of bucket 8 yet"
    );
    cluster.requests();

    client.place(order(2, 7)).ok();

    assert_eq!(
        cluster.requests(),
        [Request::Insert(1, 5)],
        "the client knew that shard 1 owns bucket 7 with epoch 5, and then the directory said \
         epoch 4. Which of two entries is newer?"
    );
}

// Rule 7.
#[test]
fn lost_answer_is_not_repeated() {
    for is_stored in [true, false] {
        let cluster = Cluster::new(&[(7, owner(0, 1))]);
        let mut client = cluster.client();
        cluster.0.borrow_mut().next_is_lost = Some(is_stored);

        let result = client.place(order(1, 7));

        let orders = cluster.orders(0);
        assert!(
            orders.len() <= 1,
            "the shard stored the order, but its answer was lost, and then your client sent the \
             order again: it is stored {} times. Is a lost answer a refusal?",
            orders.len()
        );
        assert_eq!(
            result,
            Err(PlaceError::Unknown),
            "the shard did not answer, so nobody knows whether the order is stored: is a lost \
             answer a refusal, or a success?"
        );
        assert_eq!(
            cluster.requests(),
            [Request::Insert(0, 1)],
            "the shard did not answer, and then your client sent more requests. Is a lost answer a \
             refusal?"
        );
    }
}
