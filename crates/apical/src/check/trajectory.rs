//! A network, a rule and their data, stepped by hand so that what happens between can be looked at.

use super::case::Case;
use crate::Result;
use crate::feedback::Feedback;
use crate::kernel::Matrix;
use crate::network::Network;
use crate::rule::{Rule, Site};
use crate::snapshot::{Owner, Parts, Snapshot, StateIo};
use crate::step::Step;
use crate::stream::Streams;

/// Builds a rule for a network; what an audit gets, so that rules of one's own can be audited too.
pub type Build<'a> = &'a dyn Fn(&Site<'_, f64>) -> Result<Box<dyn Rule<f64>>>;

/// A case on its way.
pub(super) struct Trajectory {
    pub case: Case,
    pub network: Network<f64>,
    pub now: Step<f64>,
    pub rule: Box<dyn Rule<f64>>,
    pub gradient: Matrix<f64>,
    feedback: Box<dyn Feedback<f64>>,
    /// The arrays of the last snapshot.
    parts: Parts,
}

impl Trajectory {
    pub fn new(case: &Case, build: Build<'_>) -> Result<Self> {
        let streams = Streams::new(case.seed);
        let network = case.network()?;
        let dims = network.dims();
        let mut rule = build(&Site::new(&network, &streams))?;
        rule.reset();
        Ok(Self {
            case: case.clone(),
            now: Step::new(&network, case.loss, &*rule)?,
            rule,
            gradient: Matrix::zeros(dims.currents * dims.units, dims.pre()),
            feedback: case.feedback.build(dims.units, dims.outputs, &streams)?,
            parts: Parts::new(),
            network,
        })
    }

    /// Ends the trial and begins another one.
    pub fn begin_again(&mut self) {
        self.settle();
        self.now.begin(&self.network);
        self.rule.reset();
        self.gradient.clear();
    }

    /// A first trial, so that what a rule compares trials with has a value.
    pub fn warm_up(&mut self) -> Result<()> {
        for t in 0..self.case.data.steps() {
            self.see(t);
            self.learn()?;
        }
        self.begin_again();
        Ok(())
    }

    /// Network, loss and feedback at step `t`; the trial's data come round again after its end.
    pub fn see(&mut self, t: usize) {
        let data = &self.case.data;
        let index = t % data.steps();
        let mask = self.case.masked.then_some(&data.mask[index][..]);
        let given = (&data.x[index][..], &data.y[index][..], mask);
        self.now
            .see(&self.network, self.case.loss, &mut *self.rule, given);
        self.now.feed_back(&self.network, &mut *self.feedback);
    }

    /// The rule learns from what was seen.
    pub fn learn(&mut self) -> Result<()> {
        self.now
            .learn(&self.network, &mut *self.rule, &mut self.gradient)
    }

    /// What the rule still owes.
    pub fn settle(&mut self) {
        self.rule.end_trial(&self.network, &mut self.gradient);
    }

    /// The rule's state.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        self.parts = self.rule.parts()?;
        let mut snapshot = Snapshot::default();
        self.rule.state(&mut StateIo::save(&mut snapshot))?;
        Ok(snapshot)
    }

    /// Whose the numbers of an array of the last snapshot are.
    pub fn owner(&self, name: &str) -> Owner {
        self.parts
            .get(name)
            .map_or(Owner::Network, |part| part.owner)
    }

    /// Puts the rule into a state.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.rule.state(&mut StateIo::restore(snapshot))
    }
}
