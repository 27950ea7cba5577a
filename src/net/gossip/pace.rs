//! How patient members are.

use std::{
    num::{NonZeroU8, NonZeroU32, NonZeroUsize},
    time::Duration,
};

use foca::PeriodicParams;

use super::swim::MAX_PACKET;

/// How patient members are. All members should have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// One other member is probed in each.
    pub probe_every: Duration,
    /// How long it may take to answer, before others are asked to try.
    pub probe_timeout: Duration,
    /// How long a suspect has to speak up when others suspect it, too; grows with the logarithm of the size.
    pub suspicion: Duration,
    pub gossip_every: Duration,
    /// How often somebody is asked for the members that it knows.
    pub repeat_every: Duration,
    /// How often two members compare all that they know; less often in large clusters.
    pub exchange_every: Duration,
    /// How long the dead are remembered.
    pub forget_after: Duration,
}

impl Pace {
    /// Within a data centre.
    pub fn lan() -> Self {
        Self {
            probe_every: Duration::from_millis(500),
            probe_timeout: Duration::from_millis(200),
            suspicion: Duration::from_millis(2500),
            gossip_every: Duration::from_millis(200),
            repeat_every: Duration::from_secs(30),
            exchange_every: Duration::from_secs(30),
            forget_after: Duration::from_secs(72 * 3600),
        }
    }

    /// Between data centres.
    pub fn wan() -> Self {
        Self {
            probe_every: Duration::from_secs(2),
            probe_timeout: Duration::from_secs(1),
            suspicion: Duration::from_secs(10),
            gossip_every: Duration::from_millis(500),
            repeat_every: Duration::from_secs(60),
            exchange_every: Duration::from_secs(60),
            forget_after: Duration::from_secs(72 * 3600),
        }
    }

    /// How long a suspect has to speak up in a cluster of this size when nobody doubts the suspicion.
    pub(super) fn patience(&self, members: usize) -> Duration {
        let size = u32::try_from(members.max(1)).unwrap_or(u32::MAX);
        // Up to 20 members it is the same; at 1,000 it is 2.25 times as long: a pause of five seconds happens
        // somewhere all the time there.
        self.suspicion.mul_f64((f64::from(size).log10() * 0.75).max(1.0))
    }

    /// Time between two exchanges in a cluster of this size.
    pub(super) fn exchange_every(&self, members: usize) -> Duration {
        let doublings = members.max(1).next_power_of_two().ilog2();
        self.exchange_every * (doublings.saturating_sub(5) + 1)
    }

    /// How often each passes on a piece of news: with the four times log(n) of SWIM's followers every tenth piece missed
    /// somebody among 50.
    #[expect(clippy::unused_self, reason = "it is a matter of the pace")]
    pub(super) fn transmissions(&self, members: usize) -> u8 {
        let size = u32::try_from(members.max(1)).unwrap_or(u32::MAX);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 60")]
        let times = (f64::from(size) + 1.0).log10().mul_add(6.0, 1.0) as u8;
        times
    }

    pub(super) fn settings(&self, members: usize) -> foca::Config {
        let size = u32::try_from(members.max(1)).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        let periodic = |frequency, members| PeriodicParams { frequency, num_members: members };
        let few = NonZeroUsize::new(3).expect("three");
        foca::Config {
            max_transmissions: NonZeroU8::new(self.transmissions(members)).unwrap_or(NonZeroU8::MIN),
            probe_period: self.probe_every,
            probe_rtt: self.probe_timeout,
            suspect_to_down_after: self.patience(members),
            remove_down_after: Some(self.forget_after),
            max_packet_size: NonZeroUsize::new(MAX_PACKET).expect("more than one"),
            notify_down_members: true,
            periodic_announce: Some(periodic(self.repeat_every, NonZeroUsize::MIN)),
            periodic_announce_to_down_members: Some(periodic(self.repeat_every, few)),
            periodic_gossip: Some(periodic(self.gossip_every, few)),
            ..foca::Config::new_lan(size)
        }
    }
}
