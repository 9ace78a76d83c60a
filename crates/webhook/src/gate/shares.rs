//! Who is next. Pure: time is an argument, and who waits is the caller's.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use storage::UserId;
use tokio::time::Instant;

use super::circuit::{Circuit, Standing};

/// Destinations that are remembered; beyond, those are forgotten that nothing is under way to and that are not paused.
const MAX_DESTINATIONS: usize = 16_384;
/// How often those who wait no more are swept out of a long queue.
const SWEEP: usize = 1024;

/// Where calls of an owner go: scheme, host and port. What one owner sees of a destination is no other owner's concern, so
/// that nobody can make a destination look dead for others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    pub(crate) owner: UserId,
    pub(crate) origin: String,
}

/// Somebody who waits for a permit.
pub(crate) trait Waits {
    /// Whether they have gone away.
    fn is_gone(&self) -> bool;
}

/// What an attempt has shown of its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// There was an answer, whatever it was.
    Answer,
    /// There was none.
    Silence,
    /// Nothing, since the attempt did not take place.
    Nothing,
}

/// Permits, and who waits for them.
///
/// Owners take turns, and so do the destinations of an owner. An owner, or a destination, that has a quarter of all permits
/// gets another one only while nobody with less waits; a destination never one of the last quarter, an owner for its other
/// destinations never one of the last eighth. Destinations that don't answer have at most a quarter together, those that
/// nobody has tried yet at most half.
#[derive(Debug)]
pub(crate) struct Shares<W> {
    total: usize,
    free: usize,
    queues: [Queue; 3],
    owners: HashMap<UserId, usize>,
    destinations: HashMap<Arc<Route>, Destination<W>>,
    /// How many of these there are when they are swept next.
    sweep_at: usize,
    /// Which queue is asked first, in turn.
    turn: usize,
}

/// Destinations of one standing that somebody waits for and that may be called.
#[derive(Debug, Default)]
struct Queue {
    held: usize,
    owners: VecDeque<UserId>,
    routes: HashMap<UserId, VecDeque<Arc<Route>>>,
}

#[derive(Debug)]
struct Destination<W> {
    circuit: Circuit,
    held: usize,
    waiters: VecDeque<W>,
    /// The queue that it stands in.
    queued: Option<Standing>,
    /// Somebody looks again when its pause ends.
    watched: bool,
}

/// One permit.
#[derive(Debug)]
pub(crate) struct Grant<W> {
    pub(crate) to: W,
    pub(crate) route: Arc<Route>,
    pub(crate) standing: Standing,
}

impl<W: Waits> Shares<W> {
    pub(crate) fn new(total: usize) -> Self {
        let total = total.max(1);
        Self {
            total,
            free: total,
            queues: Default::default(),
            owners: HashMap::new(),
            destinations: HashMap::new(),
            sweep_at: MAX_DESTINATIONS,
            turn: 0,
        }
    }

    /// Somebody waits from now on; `failed_before` says that what they deliver has failed before. Answers when to
    /// [`look again`](Self::look_again), if nobody does yet.
    pub(crate) fn enter(
        &mut self,
        route: &Arc<Route>,
        waiter: W,
        failed_before: bool,
        now: Instant,
    ) -> Option<Instant> {
        if self.destinations.len() >= self.sweep_at {
            self.destinations.retain(|_, known| {
                known.held > 0 || !known.waiters.is_empty() || known.circuit.pause_ends(now).is_some()
            });
            // Where nearly all stay, each sweep is followed by as many calls as it went through.
            self.sweep_at = MAX_DESTINATIONS.max(2 * self.destinations.len());
        }
        let destination = self.destinations.entry(Arc::clone(route)).or_insert_with(|| Destination {
            circuit: Circuit::new(failed_before),
            held: 0,
            waiters: VecDeque::new(),
            queued: None,
            watched: false,
        });
        destination.waiters.push_back(waiter);
        if destination.waiters.len().is_multiple_of(SWEEP) {
            destination.waiters.retain(|waiter| !waiter.is_gone());
        }
        self.queue(route, now)
    }

    /// The pause of a destination has ended.
    pub(crate) fn look_again(&mut self, route: &Arc<Route>, now: Instant) -> Option<Instant> {
        self.destinations.get_mut(route)?.watched = false;
        self.queue(route, now)
    }

    /// A permit comes back. Answers as [`Self::enter`] does.
    pub(crate) fn leave(
        &mut self,
        route: &Arc<Route>,
        standing: Standing,
        shown: Shown,
        now: Instant,
    ) -> Option<Instant> {
        self.free += 1;
        self.queues[standing as usize].held -= 1;
        if let Some(held) = self.owners.get_mut(&route.owner) {
            *held -= 1;
            if *held == 0 {
                self.owners.remove(&route.owner);
            }
        }
        let destination = self.destinations.get_mut(route)?;
        destination.held -= 1;
        match shown {
            Shown::Answer => destination.circuit.answered(),
            Shown::Silence => destination.circuit.unanswered(now),
            Shown::Nothing => {}
        }
        self.queue(route, now)
    }

    /// The next permit, if there is one for anybody.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Grant<W>> {
        while self.free > 0 {
            let (standing, route) = self.pick_fairly()?;
            self.take_out(&route, standing);
            let Some(destination) = self.destinations.get_mut(&route) else { continue };
            let waiter =
                std::iter::from_fn(|| destination.waiters.pop_front()).find(|waiter| !waiter.is_gone());
            let Some(to) = waiter else { continue };
            destination.held += 1;
            self.free -= 1;
            self.queues[standing as usize].held += 1;
            *self.owners.entry(route.owner).or_default() += 1;
            self.turn = (self.turn + 1) % self.queues.len();
            // It holds a permit now, so nobody needs to look again at a time: they do when it comes back.
            let _ = self.queue(&route, now);
            return Some(Grant { to, route, standing });
        }
        None
    }

    /// What is known of a destination.
    pub(crate) fn circuit(&self, route: &Route) -> Option<&Circuit> {
        self.destinations.get(route).map(|destination| &destination.circuit)
    }

    /// How many wait for it.
    pub(crate) fn waiting(&self, route: &Route) -> usize {
        let waiters = self.destinations.get(route).map(|destination| destination.waiters.iter());
        waiters.into_iter().flatten().filter(|waiter| !waiter.is_gone()).count()
    }

    /// Whose turn it is: first those that have less than their share, then other destinations of owners that have theirs,
    /// then anybody. For the former some permits are always left.
    fn pick_fairly(&self) -> Option<(Standing, Arc<Route>)> {
        let share = (self.total / 4).max(1);
        let for_owners = (self.free > self.total / 8).then_some(usize::MAX);
        let for_all = (self.free > self.total / 4).then_some(usize::MAX);
        let picked = self.pick(share, share);
        let picked = picked.or_else(|| for_owners.and_then(|most| self.pick(most, share)));
        picked.or_else(|| for_all.and_then(|most| self.pick(most, most)))
    }

    /// The first in turn whose owner has less than `of_owner` permits and that itself has less than `of_route`.
    fn pick(&self, of_owner: usize, of_route: usize) -> Option<(Standing, Arc<Route>)> {
        let order = [Standing::Answering, Standing::New, Standing::Failing];
        (0..order.len()).map(|n| order[(self.turn + n) % order.len()]).find_map(|standing| {
            let queue = &self.queues[standing as usize];
            if queue.held >= self.room_of(standing) {
                return None;
            }
            let owned = |owner: &&UserId| self.owners.get(*owner).copied().unwrap_or(0) < of_owner;
            let routes =
                queue.owners.iter().filter(owned).filter_map(|owner| queue.routes.get(owner)).flatten();
            let held = |route: &Arc<Route>| self.destinations.get(route).map_or(0, |known| known.held);
            let next = routes.into_iter().find(|route| held(route) < of_route);
            next.map(|route| (standing, Arc::clone(route)))
        })
    }

    /// How many permits destinations of a standing may have together.
    fn room_of(&self, standing: Standing) -> usize {
        match standing {
            Standing::Answering => self.total,
            Standing::New => (self.total / 2).max(1),
            Standing::Failing => (self.total / 4).max(1),
        }
    }

    /// Puts a destination at the end of the queue that it belongs to, if somebody waits and it may be called.
    fn queue(&mut self, route: &Arc<Route>, now: Instant) -> Option<Instant> {
        let destination = self.destinations.get(route)?;
        let belongs = (!destination.waiters.is_empty() && destination.circuit.admits(destination.held, now))
            .then(|| destination.circuit.standing());
        let is = destination.queued;
        if is != belongs {
            if let Some(standing) = is {
                self.take_out(route, standing);
            }
            if let Some(standing) = belongs {
                self.put_in(route, standing);
            }
        }
        let destination = self.destinations.get_mut(route)?;
        let ends = destination.circuit.pause_ends(now);
        let watch = ends.filter(|_| !destination.watched && !destination.waiters.is_empty());
        destination.watched |= watch.is_some();
        watch
    }

    fn put_in(&mut self, route: &Arc<Route>, standing: Standing) {
        let queue = &mut self.queues[standing as usize];
        let routes = queue.routes.entry(route.owner).or_default();
        if routes.is_empty() {
            queue.owners.push_back(route.owner);
        }
        routes.push_back(Arc::clone(route));
        if let Some(destination) = self.destinations.get_mut(route) {
            destination.queued = Some(standing);
        }
    }

    /// Takes a destination out of its queue. Its owner goes to the end.
    fn take_out(&mut self, route: &Arc<Route>, standing: Standing) {
        let queue = &mut self.queues[standing as usize];
        if let Some(routes) = queue.routes.get_mut(&route.owner) {
            // Mostly it is the first one.
            if let Some(at) = routes.iter().position(|queued| queued == route) {
                routes.remove(at);
            }
            let is_empty = routes.is_empty();
            if let Some(at) = queue.owners.iter().position(|owner| *owner == route.owner) {
                queue.owners.remove(at);
            }
            if is_empty {
                queue.routes.remove(&route.owner);
            } else {
                queue.owners.push_back(route.owner);
            }
        }
        if let Some(destination) = self.destinations.get_mut(route) {
            destination.queued = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::circuit::PATIENCE;
    use super::*;

    impl Waits for u32 {
        fn is_gone(&self) -> bool {
            *self == 0
        }
    }

    fn route(owner: UserId, origin: &str) -> Arc<Route> {
        Arc::new(Route { owner, origin: origin.to_owned() })
    }

    fn enter(shares: &mut Shares<u32>, route: &Arc<Route>, count: u32) {
        for n in 1..=count {
            assert_eq!(shares.enter(route, n, false, Instant::now()), None);
        }
    }

    /// The origins that are granted a permit, in order.
    fn granted(shares: &mut Shares<u32>) -> Vec<Grant<u32>> {
        std::iter::from_fn(|| shares.next(Instant::now())).collect()
    }

    #[tokio::test]
    async fn what_is_known_of_destinations_is_swept_seldom_where_all_of_it_stays() {
        let (mut shares, owner) = (Shares::new(1), UserId::generate());
        for n in 0..=MAX_DESTINATIONS {
            enter(&mut shares, &route(owner, &format!("http://{n}.example")), 1);
        }
        assert_eq!(shares.destinations.len(), MAX_DESTINATIONS + 1, "somebody waits for each");
        assert_eq!(shares.sweep_at, 2 * MAX_DESTINATIONS);
        shares.destinations.values_mut().for_each(|known| known.waiters.clear());
        for n in 0..=MAX_DESTINATIONS {
            enter(&mut shares, &route(owner, &format!("http://more-{n}.example")), 1);
        }
        assert!(shares.sweep_at <= 2 * MAX_DESTINATIONS);
        assert!(shares.destinations.len() <= MAX_DESTINATIONS + 2, "{}", shares.destinations.len());
    }

    fn answer(shares: &mut Shares<u32>, route: &Arc<Route>) {
        enter(shares, route, 1);
        for grant in granted(shares) {
            assert_eq!(shares.leave(&grant.route, grant.standing, Shown::Answer, Instant::now()), None);
        }
    }

    fn fail(shares: &mut Shares<u32>, route: &Arc<Route>) {
        for _ in 0..PATIENCE {
            enter(shares, route, 1);
            let [grant] = &granted(shares)[..] else { panic!("one") };
            shares.leave(&grant.route, grant.standing, Shown::Silence, Instant::now());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn owners_and_their_destinations_take_turns() {
        let mut shares = Shares::new(64);
        let (max, moritz) = (UserId::generate(), UserId::generate());
        let (a, b, c) = (route(max, "a"), route(max, "b"), route(moritz, "c"));
        [&a, &b, &c].into_iter().for_each(|route| answer(&mut shares, route));
        enter(&mut shares, &a, 99);
        enter(&mut shares, &b, 99);
        enter(&mut shares, &c, 99);
        let grants = granted(&mut shares);
        let origins: Vec<_> = grants.iter().take(8).map(|grant| grant.route.origin.as_str()).collect();
        assert_eq!(origins.iter().filter(|origin| **origin == "c").count(), 4, "{origins:?}");
        assert_eq!(origins.iter().filter(|origin| **origin == "a").count(), 2, "{origins:?}");
        // Each destination has a quarter; the last quarter is left for a third owner.
        let of = |owner| grants.iter().filter(|grant| grant.route.owner == owner).count();
        assert_eq!((of(max), of(moritz)), (32, 16));
        let third = route(UserId::generate(), "d");
        enter(&mut shares, &third, 99);
        assert_eq!(granted(&mut shares).len(), 16);
    }

    #[tokio::test(start_paused = true)]
    async fn one_owner_alone_leaves_the_last_quarter_to_others_and_to_its_other_destinations() {
        let mut shares = Shares::new(64);
        let owner = UserId::generate();
        let (big, small) = (route(owner, "big"), route(owner, "small"));
        answer(&mut shares, &big);
        enter(&mut shares, &big, 200);
        let grants = granted(&mut shares);
        assert_eq!(grants.len(), 48);
        let stranger = route(UserId::generate(), "stranger");
        enter(&mut shares, &stranger, 1);
        assert_eq!(granted(&mut shares).len(), 1, "at once");
        enter(&mut shares, &small, 99);
        let next = granted(&mut shares);
        assert!(
            next.len() == 7 && next.iter().all(|grant| grant.route == small),
            "at once, but for the last eighth"
        );
        enter(&mut shares, &stranger, 99);
        assert_eq!(granted(&mut shares).len(), 8, "which is for others");
    }

    #[tokio::test(start_paused = true)]
    async fn thousands_that_do_not_answer_hold_up_nobody_who_does() {
        let mut shares = Shares::new(64);
        let owner = UserId::generate();
        let healthy = route(owner, "healthy");
        answer(&mut shares, &healthy);
        let dead: Vec<_> = (0..3000).map(|n| route(owner, &format!("dead-{n}"))).collect();
        for route in &dead {
            enter(&mut shares, route, 3);
        }
        assert_eq!(granted(&mut shares).len(), 32, "half of all for what nobody has tried");
        enter(&mut shares, &healthy, 1);
        let [grant] = &granted(&mut shares)[..] else { panic!("at once") };
        assert_eq!(grant.route, healthy);
    }

    #[tokio::test(start_paused = true)]
    async fn a_destination_that_does_not_answer_is_asked_once_after_each_pause() {
        let mut shares = Shares::new(8);
        let dead = route(UserId::generate(), "dead");
        fail(&mut shares, &dead);
        let again = shares.enter(&dead, 1, true, Instant::now()).expect("it is paused");
        assert_eq!(shares.enter(&dead, 2, true, Instant::now()), None, "one watches for all");
        assert!(shares.next(Instant::now()).is_none());
        tokio::time::sleep_until(again).await;
        assert_eq!(shares.look_again(&dead, Instant::now()), None);
        let [probe] = &granted(&mut shares)[..] else { panic!("one probe") };
        assert_eq!((probe.to, shares.waiting(&dead)), (1, 1));
        let again =
            shares.leave(&dead, probe.standing, Shown::Silence, Instant::now()).expect("a longer pause");
        assert_eq!(again - Instant::now(), Duration::from_secs(2));
        tokio::time::sleep_until(again).await;
        shares.look_again(&dead, Instant::now());
        let [probe] = &granted(&mut shares)[..] else { panic!("one probe") };
        enter(&mut shares, &dead, 5);
        assert!(shares.next(Instant::now()).is_none(), "one at a time");
        shares.leave(&dead, probe.standing, Shown::Answer, Instant::now());
        assert_eq!(granted(&mut shares).len(), 5, "all that waited");
    }

    #[tokio::test(start_paused = true)]
    async fn what_did_not_take_place_says_nothing_and_who_has_gone_gets_nothing() {
        let mut shares = Shares::new(1);
        let somewhere = route(UserId::generate(), "somewhere");
        for _ in 0..2 * PATIENCE {
            enter(&mut shares, &somewhere, 1);
            let [grant] = &granted(&mut shares)[..] else { panic!("one") };
            shares.leave(&grant.route, grant.standing, Shown::Nothing, Instant::now());
        }
        shares.enter(&somewhere, 0, false, Instant::now());
        shares.enter(&somewhere, 7, false, Instant::now());
        assert_eq!(shares.next(Instant::now()).map(|grant| grant.to), Some(7));
    }
}
