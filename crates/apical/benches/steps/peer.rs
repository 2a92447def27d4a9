//! The dendritic rule in straightforward Rust: vectors of vectors and plain loops, nothing prepared.

use apical::{Learner, Scalar};

type Rows<T> = Vec<Vec<T>>;

/// η_A and η_J: those of the paper at 32 units, and as stable with more.
pub fn distal_rate(units: usize) -> f64 {
    0.32 / units as f64
}

/// Weights and state under the names of the equations.
pub struct Dendritic<T> {
    w: Rows<T>,
    w_out: Rows<T>,
    feedback: Rows<T>,
    a: Rows<T>,
    a_slow: Rows<T>,
    j: Rows<T>,
    rate: Vec<T>,
    label: Vec<T>,
    signal: Vec<T>,
    steps: u64,
}

fn times<T: Scalar>(matrix: &Rows<T>, vector: &[T]) -> Vec<T> {
    let row = |row: &Vec<T>| {
        row.iter()
            .zip(vector)
            .fold(T::ZERO, |sum, (w, x)| sum + *w * *x)
    };
    matrix.iter().map(row).collect()
}

fn transposed_times<T: Scalar>(matrix: &Rows<T>, vector: &[T]) -> Vec<T> {
    let mut result = vec![T::ZERO; matrix[0].len()];
    for (row, f) in matrix.iter().zip(vector) {
        for (r, w) in result.iter_mut().zip(row) {
            *r += *w * *f;
        }
    }
    result
}

fn add_outer<T: Scalar>(matrix: &mut Rows<T>, scale: f64, post: &[T], pre: &[T]) {
    for (row, f) in matrix.iter_mut().zip(post) {
        for (w, x) in row.iter_mut().zip(pre) {
            *w += T::of(scale) * *f * *x;
        }
    }
}

fn rows<T: Scalar>(matrix: &apical::kernel::Matrix<T>) -> Rows<T> {
    (0..matrix.rows()).map(|i| matrix.row(i).to_vec()).collect()
}

impl<T: Scalar> Dendritic<T> {
    /// With the weights of `learner`, which has the default settings and has learned nothing yet.
    pub fn like(learner: &mut Learner<T>) -> Self {
        let n = learner.network().dims().units;
        let outputs = learner.network().dims().outputs;
        let mut of_rule = |name: &str| {
            let array = learner.rule_mut().array(name);
            let (shape, values) = array.ok().flatten().expect("a matrix of the rule");
            let rows = values.chunks(shape[1]);
            rows.map(|row| row.iter().map(|v| T::of(*v)).collect())
                .collect::<Vec<Vec<T>>>()
        };
        let (a, j) = (of_rule("A"), of_rule("J"));
        let mut label = vec![T::ZERO; n + outputs + 1];
        label[n + outputs] = T::ONE;
        Self {
            w: rows(learner.network().synapses().weights()),
            w_out: rows(learner.network().readout()),
            feedback: rows(learner.feedback_weights_mut().expect("random feedback")),
            a_slow: a.clone(),
            a,
            j,
            rate: vec![T::ZERO; n],
            label,
            signal: vec![T::ZERO; n],
            steps: 0,
        }
    }

    /// One step; returns the loss.
    pub fn learn(&mut self, x: &[T], y: &[T]) -> f64 {
        let n = self.rate.len();
        let pre = [&self.rate[..], x, &[T::ONE]].concat();
        let rate: Vec<T> = times(&self.w, &pre)
            .iter()
            .map(|u| T::of(u.f64().tanh()))
            .collect();
        let post = [&rate[..], &[T::ONE]].concat();
        let z = times(&self.w_out, &post);
        let exps: Vec<T> = z.iter().map(|z| z.exponential()).collect();
        let total = exps.iter().fold(T::ZERO, |sum, e| sum + *e);
        let delta: Vec<T> = exps.iter().zip(y).map(|(e, y)| *e / total - *y).collect();
        let loss = exps
            .iter()
            .zip(y)
            .map(|(e, y)| -y.f64() * (*e / total).f64().ln())
            .sum();
        let signal = transposed_times(&self.feedback, &delta);
        // J predicts the next rate.
        let mut surprise = times(&self.j, &self.rate);
        surprise.iter_mut().zip(&rate).for_each(|(e, r)| *e -= *r);
        add_outer(&mut self.j, -distal_rate(n), &surprise, &self.rate);
        // A predicts the credit one step back.
        let label = [&rate[..], y, &[T::ONE]].concat();
        if self.steps == 0 {
            self.label[n..n + y.len()].copy_from_slice(y);
        }
        let bootstrap: Vec<T> = times(&self.a_slow, &label)
            .iter()
            .map(|v| T::of(v.f64().tanh()))
            .collect();
        let carried = transposed_times(&self.j, &bootstrap);
        let mut error = times(&self.a, &self.label);
        for i in 0..n {
            error[i] -= self.signal[i] + carried[i];
        }
        add_outer(&mut self.a, -distal_rate(n), &error, &self.label);
        self.steps += 1;
        if self.steps.is_multiple_of(5) {
            self.a_slow.clone_from(&self.a);
        }
        // Credit changes the weights.
        let credit = times(&self.a, &label);
        let factors: Vec<T> = credit
            .iter()
            .zip(&rate)
            .map(|(c, r)| *c * (T::ONE - *r * *r))
            .collect();
        add_outer(&mut self.w, -1e-3, &factors, &pre);
        add_outer(&mut self.w_out, -1e-3, &delta, &post);
        self.rate = rate;
        self.label = label;
        self.signal = signal;
        loss
    }
}
