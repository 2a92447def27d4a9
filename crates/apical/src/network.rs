//! What is simulated: a recurrent layer, its synapses and a linear readout.
//!
//! Weights ([`Network`]) and activity ([`Activity`]) are separate, so that the same weights can run a
//! training stream and a held-out test at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::constraint::{
    CellTypes, Chosen, Constraints, DaleSpec, Gradients, SparsitySpec, TypesSpec, Weights,
};
pub use crate::dims::Dims;
use crate::kernel::{Buffer, Matrix, Simd, add_transposed, product};
use crate::neuron::{Layer, Neuron, NeuronSpec, Partials, RateSpec};
use crate::snapshot::StateIo;
use crate::stream::Streams;
use crate::synapse::{Blocks, Init, Synapses, fill_balanced, fill_typed};
use crate::{Error, Result, Scalar};

/// Configuration of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSpec {
    /// Recurrent units.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub units: usize,
    /// Kind of unit.
    pub neuron: NeuronSpec,
    /// Start of W_rec.
    pub recurrent: Init,
    /// Start of W_in.
    pub input: Init,
    /// Start of the recurrent biases.
    pub bias: Init,
    /// Start of W_out.
    pub readout: Init,
    /// Start of the readout biases.
    pub readout_bias: Init,
    /// Fixed weights, units × outputs for each current, through which the network hears z(t−1); none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_feedback: Option<Init>,
    /// Every state variable of every unit at the start of a trial.
    #[schemars(!skip_serializing_if)]
    #[serde(skip_serializing_if = "is_zero")]
    pub initial_state: f64,
    /// Whether units may connect to themselves.
    #[schemars(!skip_serializing_if)]
    #[serde(skip_serializing_if = "is_true")]
    pub self_connections: bool,
    /// Dale's law: synapses have the sign of the unit that sends them; none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dale: Option<DaleSpec>,
    /// Which recurrent synapses there are, and whether lost ones are replaced; all of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<SparsitySpec>,
    /// Types of units; the two signs under Dale's law, else one, by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<TypesSpec>,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_true(value: &bool) -> bool {
    *value
}

impl Default for NetworkSpec {
    fn default() -> Self {
        Self {
            units: 32,
            neuron: NeuronSpec::Rate(RateSpec::default()),
            recurrent: Init::orthogonal(),
            input: Init::gaussian(),
            bias: Init::Zero {},
            readout: Init::gaussian(),
            readout_bias: Init::Zero {},
            output_feedback: None,
            initial_state: 0.0,
            self_connections: true,
            dale: None,
            sparsity: None,
            types: None,
        }
    }
}

/// The weights of a network and the equations of its units.
pub struct Network<T> {
    dims: Dims,
    neuron: Box<dyn Neuron<T>>,
    synapses: Synapses<T>,
    readout: Matrix<T>,
    /// Weights from z(t−1) to the currents, transposed: row `g * outputs + k`.
    output_feedback: Option<Matrix<T>>,
    /// s at the start of a trial: one row a state variable.
    initial: Matrix<T>,
    constraints: Constraints<T>,
    simd: Simd,
}

impl<T: Scalar> Network<T> {
    /// Builds the network with weights drawn from the stream `weights`.
    ///
    /// # Errors
    /// No units, outputs or samples; a setting of the neuron or of an initialiser out of range.
    #[inline(never)]
    pub fn new(
        spec: &NetworkSpec,
        inputs: usize,
        outputs: usize,
        batch: usize,
        streams: &Streams,
    ) -> Result<Self> {
        spec.check_promise::<T>(inputs, outputs, batch)?;
        let neuron = spec.neuron.build::<T>()?;
        let dims = Dims {
            batch,
            units: spec.units,
            inputs,
            outputs,
            states: neuron.states(),
            currents: neuron.currents(),
        };
        let chosen = Chosen {
            self_connections: spec.self_connections,
            sparsity: spec.sparsity.as_ref(),
            dale: spec.dale.as_ref(),
            types: spec.types.as_ref(),
        };
        let mut constraints = Constraints::new(&chosen, dims, streams)?;
        let mut stream = streams.stream("weights", 0);
        let mut synapses = Synapses::zeros(dims.currents, dims.units, inputs);
        let mut readout = Matrix::zeros(outputs, dims.units + 1);
        let (n, z) = (dims.units, outputs);
        let balanced = |init: &Init| matches!(init, Init::Balanced {});
        // What signs and types decide is drawn after the rest.
        let drawn = |init: &Init, later: bool| {
            if later { Init::Zero {} } else { init.clone() }
        };
        let typed = matches!(spec.recurrent, Init::Typed { .. });
        synapses.draw(
            &drawn(&spec.recurrent, typed || balanced(&spec.recurrent)),
            &spec.input,
            &spec.bias,
            &mut stream,
        )?;
        let readout_init = drawn(&spec.readout, balanced(&spec.readout));
        readout_init.fill("network.readout", &mut readout, 0..z, 0..n, &mut stream)?;
        let signs = constraints.excitatory();
        for g in 0..dims.currents {
            let (weights, rows) = (synapses.weights_mut(), g * n..(g + 1) * n);
            let field = "network.recurrent";
            match spec.recurrent {
                Init::Balanced {} => fill_balanced(field, weights, rows, signs, &mut stream)?,
                Init::Typed {
                    between,
                    within,
                    zeroed,
                } => {
                    let blocks = Blocks {
                        between,
                        within,
                        zeroed,
                    };
                    let units = (constraints.types(), signs);
                    fill_typed(field, &blocks, weights, rows, units, &mut stream)?;
                }
                _ => {}
            }
        }
        if balanced(&spec.readout) {
            fill_balanced("network.readout", &mut readout, 0..z, signs, &mut stream)?;
        }
        spec.readout_bias.fill(
            "network.readout_bias",
            &mut readout,
            0..z,
            n..n + 1,
            &mut stream,
        )?;
        constraints.start(&mut Weights {
            synapses: &mut synapses,
            readout: &mut readout,
        });
        let mut output_feedback = None;
        if let Some(init) = &spec.output_feedback {
            let mut stream = streams.stream("output_feedback", 0);
            let mut drawn = Matrix::zeros(n, z);
            let mut transposed = Matrix::zeros(dims.currents * z, n);
            for g in 0..dims.currents {
                init.fill(
                    "network.output_feedback",
                    &mut drawn,
                    0..n,
                    0..z,
                    &mut stream,
                )?;
                for k in 0..z {
                    for i in 0..n {
                        transposed.row_mut(g * z + k)[i] = drawn.row(i)[k];
                    }
                }
            }
            output_feedback = Some(transposed);
        }
        if !spec.initial_state.is_finite() {
            return Err(Error::invalid(
                "network.initial_state",
                spec.initial_state,
                "a finite number",
                "0 is the default.",
            ));
        }
        let mut initial = Matrix::zeros(dims.states, dims.units);
        for s in 0..dims.states {
            initial.row_mut(s).fill(T::of(spec.initial_state));
        }
        Ok(Self {
            dims,
            neuron,
            synapses,
            readout,
            output_feedback,
            initial,
            constraints,
            simd: Simd::detect(),
        })
    }

    /// What weights may be.
    pub fn constraints(&self) -> &Constraints<T> {
        &self.constraints
    }

    /// What weights may be.
    pub fn constraints_mut(&mut self) -> &mut Constraints<T> {
        &mut self.constraints
    }

    /// An update comes: synapses that do not exist get no gradient.
    pub(crate) fn before_update(&mut self, recurrent: &mut Matrix<T>, readout: &mut Matrix<T>) {
        if self.constraints.is_empty() {
            return;
        }
        let weights = Weights {
            synapses: &mut self.synapses,
            readout: &mut self.readout,
        };
        self.constraints
            .before(&weights, &mut Gradients { recurrent, readout });
    }

    /// An update with this learning rate was made: weights go back where they may be.
    pub(crate) fn after_update(&mut self, rate: f64) {
        let mut weights = Weights {
            synapses: &mut self.synapses,
            readout: &mut self.readout,
        };
        self.constraints.after(&mut weights, rate);
    }

    /// Sizes.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Equations of the units.
    pub fn neuron(&self) -> &dyn Neuron<T> {
        &*self.neuron
    }

    /// Replaces the equations of the units, for neurons of one's own.
    ///
    /// # Errors
    /// Another number of state variables or currents than the network was built for.
    pub fn set_neuron(&mut self, neuron: Box<dyn Neuron<T>>) -> Result<()> {
        let (got, expected) = (
            (neuron.states(), neuron.currents()),
            (self.dims.states, self.dims.currents),
        );
        if got != expected {
            return Err(Error::invalid(
                "neuron",
                format!("{} state variables and {} currents", got.0, got.1),
                format!("{} and {}", expected.0, expected.1),
                "Build the network with Network::with_neuron instead.",
            ));
        }
        self.neuron = neuron;
        Ok(())
    }

    /// A network of units of one's own, all weights zero.
    ///
    /// # Errors
    /// No units, outputs or samples, or too many.
    pub fn with_neuron(
        neuron: Box<dyn Neuron<T>>,
        units: usize,
        inputs: usize,
        outputs: usize,
        batch: usize,
    ) -> Result<Self> {
        check_sizes(units, inputs, outputs, batch)?;
        let dims = Dims {
            batch,
            units,
            inputs,
            outputs,
            states: neuron.states(),
            currents: neuron.currents(),
        };
        Ok(Self {
            dims,
            synapses: Synapses::zeros(dims.currents, units, inputs),
            readout: Matrix::zeros(outputs, units + 1),
            output_feedback: None,
            initial: Matrix::zeros(dims.states, units),
            constraints: Constraints::none(units),
            neuron,
            simd: Simd::detect(),
        })
    }

    /// Recurrent and input weights.
    pub fn synapses(&self) -> &Synapses<T> {
        &self.synapses
    }

    /// Recurrent and input weights.
    pub fn synapses_mut(&mut self) -> &mut Synapses<T> {
        &mut self.synapses
    }

    /// [W_out, b_out], one row an output.
    pub fn readout(&self) -> &Matrix<T> {
        &self.readout
    }

    /// [W_out, b_out], one row an output.
    pub fn readout_mut(&mut self) -> &mut Matrix<T> {
        &mut self.readout
    }

    /// Lets the network hear its output, or no longer: weights from z(t−1) to the currents, row `g * outputs + k`, one
    /// number a unit.
    ///
    /// # Errors
    /// A matrix of another size.
    pub fn set_output_feedback(&mut self, weights: Option<Matrix<T>>) -> Result<()> {
        let dims = self.dims;
        let expected = [dims.currents * dims.outputs, dims.units];
        if let Some(given) = &weights
            && [given.rows(), given.columns()] != expected
        {
            return Err(Error::invalid(
                "output_feedback",
                format!("{} x {} numbers", given.rows(), given.columns()),
                format!("{} x {}", expected[0], expected[1]),
                "It has a row for each output, for each current, and a column for each unit.",
            ));
        }
        self.output_feedback = weights;
        Ok(())
    }

    /// Weights from z(t−1) to the currents, if the network hears its output: row `g * outputs + k`, one number a unit.
    pub fn output_feedback_mut(&mut self) -> Option<&mut Matrix<T>> {
        self.output_feedback.as_mut()
    }

    /// Whether the network hears its own output.
    pub fn hears_output(&self) -> bool {
        self.output_feedback.is_some()
    }

    /// s at the start of a trial, one row a state variable.
    pub fn initial_mut(&mut self) -> &mut Matrix<T> {
        &mut self.initial
    }

    /// Instruction set of the loops.
    pub fn simd(&self) -> Simd {
        self.simd
    }

    /// Chooses the instruction set, for example [`Simd::portable`] for the same bits everywhere.
    pub fn set_simd(&mut self, simd: Simd) {
        self.simd = simd;
    }

    /// Puts every sample of `activity` at the start of a trial.
    pub fn reset(&self, activity: &mut Activity<T>) {
        let Dims { batch, states, .. } = self.dims;
        let (sample, plane) = (self.dims.sample(), self.dims.plane());
        for s in 0..states {
            for b in 0..batch {
                activity.state[s * plane + b * sample..][..self.dims.units]
                    .copy_from_slice(self.initial.row(s));
            }
        }
        activity.output.clear();
        self.neuron.read(
            self.simd,
            plane,
            &activity.state,
            &mut activity.rate,
            &mut activity.partials.slope,
        );
    }

    /// Advances every sample by one step: currents, state, rate, output.
    ///
    /// `x` holds the inputs of one sample after another. With `LEARN` the partials are written too.
    #[inline(never)]
    pub fn step<const LEARN: bool>(&self, activity: &mut Activity<T>, x: &[T]) {
        self.step_with::<LEARN>(activity, x, |_, _| {});
    }

    /// As [`Network::step`], with a change to the currents u(t), one plane a current, before the units see them;
    /// the second argument of `perturb` is the presynaptic matrix.
    pub fn step_with<const LEARN: bool>(
        &self,
        activity: &mut Activity<T>,
        x: &[T],
        perturb: impl FnOnce(&mut [T], &Matrix<T>),
    ) {
        let Dims {
            batch,
            units,
            inputs,
            currents,
            ..
        } = self.dims;
        let (sample, plane) = (self.dims.sample(), self.dims.plane());
        for b in 0..batch {
            let pre = activity.pre.row_mut(b);
            pre[..units].copy_from_slice(&activity.rate[b * sample..][..units]);
            pre[units..units + inputs].copy_from_slice(&x[b * inputs..][..inputs]);
            pre[units + inputs] = T::ONE;
        }
        for g in 0..currents {
            let drive = &mut activity.currents[g * plane..][..plane];
            let (simd, synapses) = (self.simd, &self.synapses);
            match &mut activity.type_sums {
                Some(TypeSums { types, sums }) => {
                    let count = types.count();
                    let (pre, sums) = (activity.pre.data(), sums.band_mut(g * count, count));
                    synapses.drive_and_sum(simd, g, pre, drive, types.of(), sums);
                }
                None => synapses.drive_all(simd, g, &activity.pre, drive, sample),
            }
        }
        if let Some(weights) = &self.output_feedback {
            let outputs = self.dims.outputs;
            for g in 0..currents {
                for b in 0..batch {
                    let heard = &mut activity.currents[g * plane + b * sample..][..units];
                    let band = weights.band(g * outputs, outputs);
                    let output = activity.output.row(b);
                    add_transposed(self.simd, band, weights.stride(), output, heard);
                }
            }
        }
        perturb(&mut activity.currents, &activity.pre);
        if LEARN {
            activity.state_before.copy_from_slice(&activity.state);
            std::mem::swap(&mut activity.slope_before, &mut activity.partials.slope);
        }
        self.neuron.step(Layer {
            simd: self.simd,
            plane,
            currents: &activity.currents,
            state: &mut activity.state,
            rate: &mut activity.rate,
            partials: LEARN.then_some(&mut activity.partials),
        });
        for b in 0..batch {
            let post = activity.post.row_mut(b);
            post[..units].copy_from_slice(&activity.rate[b * sample..][..units]);
            post[units] = T::ONE;
            let (post, output) = (activity.post.band(b, 1), activity.output.row_mut(b));
            product(
                self.simd,
                self.readout.data(),
                self.readout.stride(),
                post,
                output,
            );
        }
    }
}

/// What the units of every sample do at one step.
#[derive(Clone, Debug)]
pub struct Activity<T> {
    /// a(t) = [r(t−1); x(t); 1], one row a sample.
    pub pre: Matrix<T>,
    /// u(t), one plane a current.
    pub currents: Buffer<T>,
    /// s(t), one plane a state variable.
    pub state: Buffer<T>,
    /// s(t−1), kept while learning.
    pub state_before: Buffer<T>,
    /// r(t), one plane.
    pub rate: Buffer<T>,
    /// own, gain and slope at t.
    pub partials: Partials<T>,
    /// slope at t−1.
    pub slope_before: Buffer<T>,
    /// [r(t); 1], one row a sample.
    pub post: Matrix<T>,
    /// z(t) = W_out r(t) + b_out, one row a sample.
    pub output: Matrix<T>,
    /// Where a rule looks at them, sums over the synapses of each type: a network of one sample takes them as it reads the
    /// weights for u(t).
    pub type_sums: Option<TypeSums<T>>,
}

/// Sums over the units of each type of their synapses, of the weights a step was made with.
#[derive(Clone, Debug)]
pub struct TypeSums<T> {
    types: CellTypes,
    /// Row `g * types + α`.
    sums: Matrix<T>,
}

impl<T: Scalar> TypeSums<T> {
    /// For a network with its present types; none where it has several samples, whose product does not take them.
    pub fn new(network: &Network<T>) -> Option<Self> {
        let (dims, types) = (network.dims(), network.constraints().types().clone());
        (dims.batch == 1).then(|| Self {
            sums: Matrix::zeros(dims.currents * types.count(), dims.pre()),
            types,
        })
    }

    /// The sums of current `g`, one row a type, if they are over these types.
    pub fn over(&self, types: &CellTypes, g: usize) -> Option<&[T]> {
        let count = types.count();
        (self.types.of() == types.of()).then(|| self.sums.band(g * count, count))
    }
}

impl<T: Scalar> Activity<T> {
    /// Zeros; call [`Network::reset`] before the first step.
    pub fn new(dims: Dims) -> Self {
        let plane = dims.plane();
        Self {
            pre: Matrix::zeros(dims.batch, dims.pre()),
            currents: Buffer::zeros(dims.currents * plane),
            state: Buffer::zeros(dims.states * plane),
            state_before: Buffer::zeros(dims.states * plane),
            rate: Buffer::zeros(plane),
            partials: Partials::zeros(dims.states, dims.currents, plane),
            slope_before: Buffer::zeros(dims.states * plane),
            post: Matrix::zeros(dims.batch, dims.units + 1),
            output: Matrix::zeros(dims.batch, dims.outputs),
            type_sums: None,
        }
    }

    /// Saves or restores what the next step depends on.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn save_or_restore(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.values("state", &mut self.state)?;
        io.values("rate", &mut self.rate)?;
        io.values("slope", &mut self.partials.slope)?;
        io.matrix("output", &mut self.output)
    }
}

/// Refuses a network without units, outputs or samples, or with more than any memory holds.
pub(crate) fn check_sizes(units: usize, inputs: usize, outputs: usize, batch: usize) -> Result<()> {
    let sizes = [
        ("network.units", units),
        ("inputs", inputs),
        ("outputs", outputs),
        ("batch", batch),
    ];
    for (field, size) in sizes {
        // A network may run by itself, without inputs.
        if size == 0 && field != "inputs" {
            return Err(Error::invalid(
                field,
                0,
                "at least 1",
                "Set it to 1 or more.",
            ));
        }
        if size > 1 << 20 {
            let mend = "That would not fit in memory; did a digit slip in?";
            return Err(Error::invalid(field, size, "at most 1048576", mend));
        }
    }
    Ok(())
}
