//! Every relation of the lattice over random networks, the audits of locality and time, the means of stochastic
//! rules; and that each of them can fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::common::rule;
use apical::Error;
use apical::check::{
    Build, Case, Concerns, Hidden, Kind, Measured, Relation, STANDARD_ERRORS, Settings, Shape,
    Verdict, audit, audit_rule, claimed, look, receipt, relations, time_of, unbiasedness,
};
use apical::kernel::Matrix;
use apical::rule::{Locality, RULES, Rule, RuleSpec, Site};
use apical::snapshot::{Owner, StateIo};
use apical::view::View;

const LOCAL_J: &str = r#"{"kind": "dendritic", "jacobian": {"kind": "local"}}"#;

static NEVER: AtomicBool = AtomicBool::new(false);

fn rules() -> impl Iterator<Item = RuleSpec> {
    let names = RULES.iter().map(|info| info.name);
    names.map(|name| RuleSpec::by_name(name).unwrap())
}

fn by_name(name: &str) -> RuleSpec {
    RuleSpec::by_name(name).unwrap()
}

fn relation(name: &str) -> &'static Relation {
    relations().find(|r| r.name == name).unwrap()
}

#[test]
fn every_relation_does_what_it_says() {
    for rule in rules() {
        let name = rule.info().name;
        let mut held = 0;
        for relation in relations().filter(|r| r.concerns.include(name)) {
            // Two seeds far apart: what the receipt prints, and networks nobody has looked at.
            for (seed, cases) in [(0, 100), (1_000_000, 30)] {
                let measured = relation.measure(&rule, seed, cases, &NEVER).unwrap();
                assert!(measured.passed, "{name}: {measured:#?}");
                assert_eq!(measured.cases, cases);
                held += u64::from(measured.holds);
            }
        }
        assert!(held > 0, "{name} stands in no relation");
    }
}

#[test]
fn relations_concern_rules_that_there_are() {
    for relation in relations() {
        let (Concerns::Only(names) | Concerns::Except(names)) = relation.concerns;
        for name in names {
            let known = RULES.iter().any(|info| info.name == *name);
            assert!(known, "{}: {name}", relation.name);
        }
        let same = |other: &&Relation| other.name == relation.name;
        assert_eq!(relations().filter(same).count(), 1);
    }
}

/// Asks of a rule what holds for another one.
#[test]
fn relations_fail_for_the_wrong_rule() {
    for (name, wrong) in [
        ("finite differences", "rflo"),
        ("one step", "uoro"),
        ("no recurrence", "dendritic"),
        ("all signs", "rflo"),
        ("frozen", "rflo"),
        ("errors add", "dendritic"),
        ("samples add", "dendritic"),
    ] {
        let measured = relation(name)
            .measure(&by_name(wrong), 0, 60, &NEVER)
            .unwrap();
        assert!(!measured.passed, "{wrong}: {measured:#?}");
        assert!(measured.median > 1e-3, "{wrong}: {measured:#?}");
    }
    // A control that finds its two sides equal fails too.
    for (name, wrong) in [
        ("recurrence", "rtrl"),
        ("a single draw", "rtrl"),
        ("is anything learned", "readout_only"),
        ("random feedback", "readout_only"),
    ] {
        let measured = relation(name)
            .measure(&by_name(wrong), 0, 60, &NEVER)
            .unwrap();
        assert!(!measured.passed && measured.median < 1e-9, "{measured:#?}");
    }
}

#[test]
fn a_case_is_repeated_by_its_seed() {
    let control = relation("recurrence");
    let many = control.measure(&by_name("rflo"), 7, 40, &NEVER).unwrap();
    let seed = many.nearest.split([' ', ':']).nth(1).unwrap();
    let one = control
        .measure(&by_name("rflo"), seed.parse().unwrap(), 1, &NEVER)
        .unwrap();
    assert_eq!(one.nearest, many.nearest);
    assert_eq!(one.largest.to_bits(), many.smallest.to_bits());
    let none: Measured = control.measure(&by_name("rflo"), 0, 0, &NEVER).unwrap();
    assert!(!none.passed, "nothing tried is nothing shown");
}

#[test]
fn cases_come_in_all_kinds() {
    let cases: Vec<Case> = (0..200)
        .map(|seed| Case::random(seed, Shape::ANY))
        .collect();
    let count = |what: &dyn Fn(&Case) -> bool| cases.iter().filter(|c| what(c)).count();
    assert!(count(&|c| c.neuron.is_none()) > 40);
    assert!(count(&|c| format!("{c}").contains("voltage")) > 40);
    assert!(count(&|c| format!("{c}").contains("relu, alpha")) > 5);
    assert!(count(&|c| c.units == 1) > 5 && count(&|c| c.units == 9) > 5);
    assert!(count(&|c| c.data.steps() == 1) > 5 && count(&|c| c.data.steps() == 12) > 5);
    assert!(count(&|c| c.masked) > 60 && count(&|c| !c.masked) > 60);
    for batch in 1..=3 {
        assert!(count(&|c| c.batch == batch) > 30);
    }
    assert_eq!(
        count(&|c| c.loss.name() == "softmax_cross_entropy" && c.sizes.1 < 2),
        0
    );
}

/// A state variable, a current or a partial that is left out would show in the relations.
#[test]
fn the_gated_unit_has_no_trivial_partial() {
    let shape = Shape {
        kind: Kind::Gated,
        ..Shape::LONG
    };
    let case = Case::random(3, shape);
    let mut learner = case.learner(&by_name("rtrl"), &case.feedback).unwrap();
    case.run(&mut learner, usize::MAX).unwrap();
    let partials = &learner.activity().partials;
    for list in [&partials.own, &partials.gain, &partials.slope] {
        let plane = learner.network().dims().plane();
        for plane in list.chunks_exact(plane) {
            let units = &plane[..case.units];
            assert!(units.iter().all(|p| p.abs() > 1e-6), "{plane:?}");
        }
    }
}

#[test]
fn every_rule_is_as_local_as_it_says() {
    for rule in rules().chain([rule(LOCAL_J)]) {
        let verdict = audit_rule(&rule, "", 50, 40, &NEVER).unwrap();
        assert!(verdict.passed, "{rule:?}: {verdict:#?}");
        assert!(verdict.synapses > 500, "{rule:?}: {verdict:#?}");
        let frozen = ["readout_only", "force"].contains(&rule.info().name);
        assert_eq!(verdict.is_trivial(), frozen, "{rule:?}");
        if !frozen {
            assert!(
                2 * verdict.different > verdict.synapses,
                "{rule:?}: {verdict:#?}"
            );
        }
    }
}

#[test]
fn the_audit_names_what_a_rule_uses() {
    let uses = |rule: &RuleSpec| audit_rule(rule, "", 0, 40, &NEVER).unwrap();
    let rtrl = uses(&by_name("rtrl"));
    use Hidden::{Memory, Signals, Units, Weights};
    assert_eq!(rtrl.uses, [Weights, Units, Signals, Memory]);
    assert_eq!(rtrl.memory, ["eligibility.influence"]);
    // The learned J is used transposed: the weights at other units, which learn from all that they predict from.
    let learned = uses(&by_name("dendritic"));
    assert_eq!(
        (learned.uses.as_slice(), learned.memory.as_slice()),
        (
            &[Hidden::Presynaptic, Memory][..],
            &["credit.J".into(), "credit.J_context".into()][..]
        )
    );
    let exact = uses(&rule(
        r#"{"kind": "dendritic", "jacobian": {"kind": "exact"}}"#,
    ));
    assert_eq!(exact.uses, [Weights, Units]);
}

#[test]
fn locality_is_that_of_the_settings() {
    let of = |jacobian: &str| {
        rule(&format!(
            r#"{{"kind": "dendritic", "jacobian": {{"kind": "{jacobian}"}}}}"#
        ))
        .locality()
    };
    assert_eq!(of("local"), Locality::Dendrite);
    assert_eq!(of(r#"local", "regressors": "all"#), Locality::Dendrite);
    assert_eq!(of("learned"), Locality::Network);
    assert_eq!(of("exact"), Locality::Network);
    for info in RULES {
        assert_eq!(by_name(info.name).locality(), info.locality);
    }
}

/// What a rule that calls itself local does behind one's back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leak {
    None,
    Weight,
    OtherRate,
    OtherSlope,
    OtherSignal,
    OtherTrace,
    OtherInput,
    Readout,
    /// A weight goes into the synapse's own trace and is used one step later.
    Smuggled,
}

const LEAKS: [Leak; 8] = [
    Leak::Weight,
    Leak::OtherRate,
    Leak::OtherSlope,
    Leak::OtherSignal,
    Leak::OtherTrace,
    Leak::OtherInput,
    Leak::Readout,
    Leak::Smuggled,
];

/// A trace of presynaptic activity with a leak.
struct Leaky {
    leak: Leak,
    trace: Matrix<f64>,
}

impl Rule<f64> for Leaky {
    fn reset(&mut self) {
        self.trace.clear();
    }
    fn step(
        &mut self,
        view: &View<'_, f64>,
        signal: &[f64],
        gradient: &mut Matrix<f64>,
    ) -> apical::Result<()> {
        let dims = view.dims();
        let n = dims.units;
        for row in 0..dims.currents * n {
            let (i, other) = (row % n, (row + 1) % n);
            for j in 0..dims.pre() {
                let extra = match self.leak {
                    Leak::None => 0.0,
                    Leak::Weight | Leak::Smuggled => {
                        view.synapses().weights().row(row)[(j + 1) % n]
                    }
                    Leak::OtherRate => view.rate(0)[other],
                    Leak::OtherSlope => view.slope(0, 0)[other],
                    Leak::OtherSignal => signal[other],
                    Leak::OtherTrace => self.trace.row(row)[(j + 1) % dims.pre()],
                    Leak::OtherInput => view.pre(0)[(j + 1) % dims.pre()],
                    Leak::Readout => view.network().readout().row(0)[i],
                };
                let trace = &mut self.trace.row_mut(row)[j];
                let old = *trace;
                *trace = 0.5 * *trace + view.pre(0)[j];
                if self.leak == Leak::Smuggled {
                    *trace += extra;
                    gradient.row_mut(row)[j] += signal[i] * old;
                } else {
                    gradient.row_mut(row)[j] += signal[i] * *trace + 1e-13 * extra;
                }
            }
        }
        Ok(())
    }
    fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
        io.of(Owner::Synapse { current: 0 })
            .matrix("trace", &mut self.trace)
    }
}

fn plain_cases() -> Vec<Case> {
    let shape = Shape {
        units: (3, 5),
        steps: (4, 8),
        batch: (1, 1),
        kinks: false,
        kind: Kind::Plain,
        loops: false,
    };
    (0..10).map(|seed| Case::random(seed, shape)).collect()
}

fn audit_leak(leak: Leak) -> Verdict {
    let build = |site: &Site<'_, f64>| -> apical::Result<Box<dyn Rule<f64>>> {
        let dims = site.network.dims();
        let trace = Matrix::zeros(dims.units, dims.pre());
        Ok(Box::new(Leaky { leak, trace }))
    };
    audit(&build, Locality::Synapse, &plain_cases(), &NEVER).unwrap()
}

#[test]
fn a_rule_that_leaks_is_caught() {
    let tight = audit_leak(Leak::None);
    assert!(tight.passed, "{tight:#?}");
    for leak in LEAKS {
        let verdict = audit_leak(leak);
        assert!(!verdict.passed, "{leak:?}: {verdict:#?}");
    }
}

/// Overrides what a rule declares of its state.
struct Declared(Box<dyn Rule<f64>>, fn(&str, Owner) -> Owner);

impl Rule<f64> for Declared {
    fn reset(&mut self) {
        self.0.reset();
    }
    fn step(
        &mut self,
        view: &View<'_, f64>,
        signal: &[f64],
        gradient: &mut Matrix<f64>,
    ) -> apical::Result<()> {
        self.0.step(view, signal, gradient)
    }
    fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
        self.0.state(io)?;
        for (name, part) in io.described().into_iter().flatten() {
            part.owner = self.1(name, part.owner);
        }
        Ok(())
    }
}

fn audit_declared(
    spec: &RuleSpec,
    level: Locality,
    cases: &[Case],
    owner: fn(&str, Owner) -> Owner,
) -> Verdict {
    let build: Build<'_> = &|site| Ok(Box::new(Declared(spec.build(site)?, owner)));
    audit(build, level, cases, &NEVER).unwrap()
}

/// Networks with rates of zero, where a number computed from a row does not tell the row.
fn silent_cases() -> Vec<Case> {
    let shape = Shape {
        units: (3, 5),
        steps: (4, 8),
        ..Shape::ANY
    };
    let cases = (0..400).map(|seed| Case::served(seed, shape, &rule(LOCAL_J)).unwrap());
    let silent = cases.filter(|case| format!("{case}").contains("rate (relu, alpha 1)"));
    silent.take(10).collect()
}

#[test]
fn a_false_declaration_is_caught() {
    let (silent, plain) = (silent_cases(), plain_cases());
    assert_eq!(silent.len(), 10);
    let (local, rflo) = (rule(LOCAL_J), by_name("rflo"));
    // As they declare themselves.
    let itself = |_: &str, owner: Owner| owner;
    assert!(audit_declared(&local, Locality::Dendrite, &silent, itself).passed);
    assert!(audit_declared(&rflo, Locality::Synapse, &plain, itself).passed);
    // J used transposed is not a number each unit computes from its own row.
    let learned = by_name("dendritic");
    let transposed = audit_declared(&learned, Locality::Dendrite, &silent, |name, owner| match (
        name, owner,
    ) {
        ("credit.J", Owner::Row { stride }) => Owner::Sender {
            offset: 0,
            stride,
            before: true,
        },
        (_, owner) => owner,
    });
    assert!(!transposed.passed, "{transposed:#?}");
    // Rates of other units reach the dendrite, not the synapse.
    assert!(!audit_declared(&local, Locality::Synapse, &silent, itself).passed);
    // A trace nobody declared is nobody's, and the rule is found to need it.
    let undeclared = audit_declared(&rflo, Locality::Synapse, &plain, |_, _| Owner::Network);
    assert!(!undeclared.passed, "{undeclared:#?}");
    assert_eq!(undeclared.uses, [Hidden::Memory]);
    // A local rule that declares itself not local fails its control.
    assert!(!audit_declared(&rflo, Locality::Network, &plain, itself).passed);
}

#[test]
fn every_rule_is_as_local_in_time_as_it_says() {
    for rule in rules() {
        let verdict = time_of(&rule, 9, 10, &NEVER).unwrap();
        assert!(verdict.passed, "{rule:?}: {verdict:#?}");
        // The other declaration would be wrong; a window shows by a longer one only.
        if rule.info().name == "tbptt" {
            assert!(verdict.owing == 0 && verdict.kept_for_longer != Some(verdict.kept));
            continue;
        }
        let case = Case::served(9, Shape::LONG, &rule).unwrap();
        let local = rule.info().local_in_time;
        let other = look(&|site| rule.build(site), !local, &[case], &NEVER).unwrap();
        assert!(!other.passed, "{rule:?}: {other:#?}");
    }
}

#[test]
fn the_mean_of_stochastic_rules_is_exact() {
    for rule in rules().filter_map(|rule| claimed(&rule)) {
        for mean in unbiasedness(&rule, 20, 4, 12_000, &NEVER).unwrap() {
            assert!(mean.passed, "{rule:?}: {mean:#?}");
            assert!(mean.control > 2.0 * STANDARD_ERRORS, "{rule:?}: {mean:#?}");
            assert!(mean.standard_error < 0.06, "{rule:?}: {mean:#?}");
            assert!((0.6..1.6).contains(&mean.rms), "{rule:?}: {mean:#?}");
        }
    }
    // Without noise there is no mean to speak of, and a wrong gradient is not taken for a right one.
    for mean in unbiasedness(&by_name("rflo"), 20, 2, 200, &NEVER).unwrap() {
        assert!(!mean.passed, "{mean:#?}");
    }
}

#[test]
fn a_receipt_says_what_was_asked() {
    let settings = Settings {
        cases: 12,
        draws: 500,
        seed: 3,
    };
    let receipt = receipt(&by_name("dendritic"), &settings, &NEVER).unwrap();
    assert_eq!(receipt.locality.len(), 4);
    assert!(receipt.relations.iter().all(|r| r.cases == 12));
    assert!(receipt.relations.iter().any(|r| !r.holds));
    for (field, settings) in [
        (
            "cases",
            Settings {
                cases: 0,
                ..settings
            },
        ),
        (
            "draws",
            Settings {
                draws: 99,
                ..settings
            },
        ),
    ] {
        let text = apical::check::receipt(&by_name("rflo"), &settings, &NEVER)
            .unwrap_err()
            .to_string();
        assert!(text.starts_with(&format!("{field}: got ")), "{text}");
    }
}

#[test]
fn a_check_stops_soon_after_it_is_asked_to() {
    // Each would take minutes: of one relation, of an audit, of one mean.
    let many = |rule: &str, cases, draws| {
        (
            by_name(rule),
            Settings {
                seed: 0,
                cases,
                draws,
            },
        )
    };
    for (rule, settings) in [
        many("rtrl", 1_000_000, 100),
        many("rflo", 100_000, 100),
        many("uoro", 1, 1_000_000_000),
        many("node_perturbation", 1, 1_000_000_000),
    ] {
        let stop = AtomicBool::new(false);
        let (result, late) = std::thread::scope(|scope| {
            let work = scope.spawn(|| receipt(&rule, &settings, &stop));
            std::thread::sleep(Duration::from_millis(300));
            stop.store(true, Ordering::Relaxed);
            let asked = Instant::now();
            (work.join().unwrap(), asked.elapsed())
        });
        assert_eq!(result.unwrap_err(), Error::Stopped);
        assert!(
            late < Duration::from_secs(2),
            "{}: {late:?}",
            rule.info().name
        );
    }
}
