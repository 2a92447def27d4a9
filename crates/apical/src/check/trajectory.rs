//! A network, a rule and their data, stepped by hand so that what happens between can be looked at.

use super::case::Case;
use crate::Result;
use crate::feedback::Feedback;
use crate::kernel::{Buffer, Matrix};
use crate::network::{Activity, Network};
use crate::rule::{Rule, Site};
use crate::snapshot::{Snapshot, StateIo};
use crate::stream::Streams;
use crate::view::View;

/// Builds a rule for a network; what an audit gets, so that rules of one's own can be audited too.
pub type Build<'a> = &'a dyn Fn(&Site<'_, f64>) -> Result<Box<dyn Rule<f64>>>;

/// A case on its way.
pub(super) struct Trajectory {
    pub case: Case,
    pub network: Network<f64>,
    pub activity: Activity<f64>,
    pub rule: Box<dyn Rule<f64>>,
    pub signal: Buffer<f64>,
    pub target: Vec<f64>,
    pub losses: Vec<f64>,
    pub first: bool,
    pub gradient: Matrix<f64>,
    feedback: Box<dyn Feedback<f64>>,
    prediction: Vec<f64>,
    delta: Vec<f64>,
}

impl Trajectory {
    pub fn new(case: &Case, build: Build<'_>) -> Result<Self> {
        let streams = Streams::new(case.seed);
        let network = case.network()?;
        let dims = network.dims();
        let mut rule = build(&Site::new(&network, &streams))?;
        rule.reset();
        let mut activity = Activity::new(dims);
        network.reset(&mut activity);
        Ok(Self {
            case: case.clone(),
            activity,
            rule,
            signal: Buffer::zeros(dims.plane()),
            target: vec![0.0; dims.batch * dims.outputs],
            losses: vec![0.0; dims.batch],
            first: true,
            gradient: Matrix::zeros(dims.currents * dims.units, dims.pre()),
            feedback: case.feedback.build(dims.units, dims.outputs, &streams)?,
            prediction: vec![0.0; dims.outputs],
            delta: vec![0.0; dims.outputs],
            network,
        })
    }

    /// Ends the trial and begins another one.
    pub fn begin_again(&mut self) {
        self.settle();
        self.network.reset(&mut self.activity);
        self.rule.reset();
        self.gradient.clear();
    }

    /// A first trial, so that what a rule compares trials with has a value.
    pub fn warm_up(&mut self) {
        for t in 0..self.case.data.steps() {
            self.see(t);
            self.learn();
        }
        self.begin_again();
    }

    /// Network, loss and feedback at step `t`; the trial's data come round again after its end.
    pub fn see(&mut self, t: usize) {
        let dims = self.network.dims();
        let data = &self.case.data;
        let index = t % data.steps();
        self.first = t == 0;
        self.target.copy_from_slice(&data.y[index]);
        let rule = &mut self.rule;
        let perturb = |currents: &mut [f64], pre: &Matrix<f64>| rule.perturb(dims, currents, pre);
        self.network
            .step_with::<true>(&mut self.activity, &data.x[index], perturb);
        for b in 0..dims.batch {
            let part = b * dims.outputs..(b + 1) * dims.outputs;
            let mask = self.case.masked.then(|| &data.mask[index][part.clone()]);
            self.losses[b] = self.case.loss.evaluate(
                self.activity.output.row(b),
                &data.y[index][part],
                mask,
                &mut self.prediction,
                &mut self.delta,
            );
            let signal = &mut self.signal[b * dims.sample()..][..dims.units];
            let readout = self.network.readout();
            self.feedback
                .deliver(self.network.simd(), readout, &self.delta, signal);
        }
    }

    /// The rule learns from what was seen.
    pub fn learn(&mut self) {
        let view = View::new(
            &self.network,
            &self.activity,
            &self.target,
            &self.losses,
            self.first,
        );
        self.rule.step(&view, &self.signal, &mut self.gradient);
    }

    /// What the rule still owes.
    pub fn settle(&mut self) {
        self.rule.end_trial(&self.network, &mut self.gradient);
    }

    /// The rule's state.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        self.rule.state(&mut StateIo::save(&mut snapshot))?;
        Ok(snapshot)
    }

    /// Puts the rule into a state.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.rule.state(&mut StateIo::restore(snapshot))
    }
}
