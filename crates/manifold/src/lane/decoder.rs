//! All decoders at once, for fixed codes.
//!
//! Over D and b: ½ Σ_n ‖x_n − b − Σ_k c_nk D_k‖² + ½λ Σ_n Σ_k ‖c_nk D_k‖², whose penalty is that of F where the D_k are
//! orthonormal and does not change when c·D is kept: with H = CᵀC + λ blockdiag(CᵀC), C the codes with a column of ones for b,
//! H [D; b] = [B; Σx], B = Σ_n c_n x_nᵀ. Conjugate gradients with the diagonal of H, each column of the data by itself, eight columns
//! to a panel: H is applied row by row, y = b + Σ_k c_k D_k, then (H·)_k += c_k y. H is never formed. Afterwards the D_k are
//! made orthonormal, D_k = R_k Q_k, and codes become c_k R_k, which changes neither x̂ nor F.
//! Cost: 4·N·s·width·p operations a step. What bounds it: eight numbers of s decoders fetched and stored for each row and panel.

use std::ops::Range;

use headwater_base::parallel::{Crew, for_each_piece, map, pairwise_sum};

use crate::lane::dictionary::{Codes, NONE};
use crate::lane::panel::{WIDE, advance, aim, apply, penalise, products, scatter, weigh};
use crate::lane::search::Atoms;

/// Rows between two looks at the crew.
const STRETCH: usize = 16_384;

/// Atoms that are made orthonormal together.
const ATOMS: usize = 64;

/// B and Σx, by panels of eight columns (padded with zeros): panel j holds K·width + 1 rows of eight.
pub(super) struct Moments {
    panels: Vec<f64>,
    rows: usize,
    columns: usize,
}

impl Moments {
    pub(super) fn new(atoms: &Atoms) -> Self {
        let rows = atoms.rounded.len() / atoms.columns + 1;
        Self { panels: vec![0.0; rows * WIDE * atoms.columns.div_ceil(WIDE)], rows, columns: atoms.columns }
    }

    pub(super) fn clear(&mut self) {
        self.panels.fill(0.0);
    }

    /// Adds `sign` times the rows x with these codes; `whole` adds the rows to Σx, too.
    pub(super) fn add(
        &mut self,
        x: &[f64],
        support: &[u32],
        values: &[f64],
        active: usize,
        width: usize,
        sign: f64,
        whole: bool,
        threads: usize,
    ) {
        let (p, rows) = (self.columns, self.rows);
        for_each_piece(threads, &mut self.panels, rows * WIDE, |j, panel| {
            let columns = columns(j, p);
            let mut part = vec![[0.0; WIDE]; x.len() / p];
            for (x, part) in x.chunks_exact(p).zip(&mut part) {
                part[..columns.len()].copy_from_slice(&x[columns.clone()]);
            }
            scatter(support, values, active, width, sign, &part, panel.as_chunks_mut::<WIDE>().0, whole);
        });
    }

    /// After c_k ← 0 in all rows: B_k = 0.
    pub(super) fn forget(&mut self, k: usize, width: usize) {
        for panel in self.panels.chunks_exact_mut(self.rows * WIDE) {
            panel[k * width * WIDE..(k + 1) * width * WIDE].fill(0.0);
        }
    }

    /// After c_j ← c_j + c_k T, c_k ← 0 in all rows: B_j += TᵀB_k, B_k = 0.
    pub(super) fn move_to(&mut self, k: usize, j: usize, width: usize, turn: &[f64]) {
        for panel in self.panels.chunks_exact_mut(self.rows * WIDE) {
            for u in 0..width {
                for e in 0..WIDE {
                    let from = std::mem::take(&mut panel[(k * width + u) * WIDE + e]);
                    (0..width).for_each(|v| panel[(j * width + v) * WIDE + e] += turn[u * width + v] * from);
                }
            }
        }
    }

    fn panel(&self, j: usize) -> &[f64] {
        &self.panels[j * self.rows * WIDE..(j + 1) * self.rows * WIDE]
    }
}

fn columns(panel: usize, p: usize) -> Range<usize> {
    panel * WIDE..p.min((panel + 1) * WIDE)
}

/// Rows that have codes.
pub(super) type Seen<'a> = &'a [Range<usize>];

/// Refits the atoms by at most `steps` steps. Returns Σ_k ‖g_k‖²/h_k before it, g the gradient over D and b, h the diagonal
/// of H; `steps` = 0 only looks at that. `None` if it was stopped, with some of
/// the panels refitted, each of which lowered F.
pub(super) fn refit(
    atoms: &mut Atoms,
    moments: &Moments,
    codes: &Codes,
    seen: Seen,
    with_offset: bool,
    steps: usize,
    crew: Crew,
) -> Option<f64> {
    let (p, rows) = (atoms.columns, moments.rows);
    let squares = squares(codes, seen, rows, atoms.dictionary.ridge, with_offset);
    let panels = p.div_ceil(WIDE);
    let mut gradients = Vec::new();
    // As many panels at a time as threads: their solutions are held beside the decoders.
    for first in (0..panels).step_by(crew.threads.max(1)) {
        let count = crew.threads.max(1).min(panels - first);
        let solved = map(crew.threads, count, |at| {
            let system = System { atoms, codes, seen, squares: &squares, with_offset };
            system.solve(first + at, moments.panel(first + at), steps, crew)
        });
        for (at, solved) in solved.into_iter().enumerate() {
            let (panel, gradient) = solved?;
            gradients.push(gradient);
            let columns = columns(first + at, p);
            if steps > 0 {
                let dictionary = &mut atoms.dictionary;
                for (d, from) in dictionary.directions.chunks_exact_mut(p).zip(panel.chunks_exact(WIDE)) {
                    d[columns.clone()].copy_from_slice(&from[..columns.len()]);
                }
                dictionary.offset[columns.clone()].copy_from_slice(&panel[(rows - 1) * WIDE..][..columns.len()]);
            }
        }
    }
    Some(pairwise_sum(&gradients))
}

/// What H has beside CᵀC: its diagonal, and Σ_n c_nk ᵀc_nk of each atom (width × width), which the penalty multiplies.
struct Squares {
    diagonal: Vec<f64>,
    blocks: Vec<f64>,
}

fn squares(codes: &Codes, seen: Seen, rows: usize, ridge: f64, with_offset: bool) -> Squares {
    let (s, w) = (codes.active, codes.width);
    let mut blocks = vec![0.0; (rows - 1) * w];
    let mut count = 0;
    for range in seen {
        count += range.len();
        for at in (range.start * s..range.end * s).filter(|&at| codes.support[at] != NONE) {
            let (atom, c) = (codes.support[at] as usize, &codes.values[at * w..(at + 1) * w]);
            for u in 0..w {
                (0..w).for_each(|v| blocks[(atom * w + u) * w + v] += c[u] * c[v]);
            }
        }
    }
    let mut diagonal: Vec<f64> = (0..rows - 1).map(|row| (1.0 + ridge) * blocks[row * w + row % w]).collect();
    diagonal.push(if with_offset { count as f64 } else { 0.0 });
    Squares { diagonal, blocks }
}

struct System<'a> {
    atoms: &'a Atoms<'a>,
    codes: &'a Codes,
    seen: Seen<'a>,
    squares: &'a Squares,
    with_offset: bool,
}

impl System<'_> {
    /// The refitted panel, and Σ‖g‖²/h before.
    fn solve(&self, j: usize, right: &[f64], steps: usize, crew: Crew) -> Option<(Vec<f64>, f64)> {
        let (p, rows) = (self.atoms.columns, self.squares.diagonal.len());
        let columns = columns(j, p);
        let mut x = vec![0.0; rows * WIDE];
        for (d, to) in self.atoms.dictionary.directions.chunks_exact(p).zip(x.chunks_exact_mut(WIDE)) {
            to[..columns.len()].copy_from_slice(&d[columns.clone()]);
        }
        x[(rows - 1) * WIDE..][..columns.len()].copy_from_slice(&self.atoms.dictionary.offset[columns]);
        let mut q = vec![0.0; rows * WIDE];
        self.apply(&x, &mut q, crew)?;
        // r = right − Hx. Without rows an element stays where it is; the offset, where there is none, at 0.
        let diagonal = &self.squares.diagonal;
        let mut r = q;
        for ((r, b), h) in r.chunks_exact_mut(WIDE).zip(right.chunks_exact(WIDE)).zip(diagonal) {
            (0..WIDE).for_each(|e| r[e] = if *h > 0.0 { b[e] - r[e] } else { 0.0 });
        }
        let (mut direction, mut q) = (vec![0.0; rows * WIDE], vec![0.0; rows * WIDE]);
        let mut rz = weigh(&r, diagonal);
        let (begin, mut beta) = (rz, [0.0; WIDE]);
        for _ in 0..steps {
            // Three digits of the gradient: the next codes change more than the rest.
            if (0..WIDE).all(|e| rz[e] <= 1e-6 * begin[e]) {
                break;
            }
            aim(&r, diagonal, &beta, &mut direction);
            q.fill(0.0);
            self.apply(&direction, &mut q, crew)?;
            let curvature = products(&direction, &q);
            let alpha: [f64; WIDE] =
                std::array::from_fn(|e| if curvature[e] > 0.0 && rz[e] > 0.0 { rz[e] / curvature[e] } else { 0.0 });
            advance(&alpha, &direction, &q, &mut x, &mut r);
            let next = weigh(&r, diagonal);
            beta = std::array::from_fn(|e| if rz[e] > 0.0 { next[e] / rz[e] } else { 0.0 });
            rz = next;
        }
        Some((x, begin.iter().sum()))
    }

    /// out += H x. `None` if it was stopped.
    fn apply(&self, x: &[f64], out: &mut [f64], crew: Crew) -> Option<()> {
        let (s, w) = (self.codes.active, self.codes.width);
        for range in self.seen {
            for first in range.clone().step_by(STRETCH) {
                if crew.stopped() {
                    return None;
                }
                let last = range.end.min(first + STRETCH);
                let support = &self.codes.support[first * s..last * s];
                let values = &self.codes.values[first * s * w..last * s * w];
                apply(support, values, s, w, self.with_offset, x, out);
            }
        }
        penalise(self.atoms.dictionary.ridge, &self.squares.blocks, w, x, out);
        Some(())
    }
}

/// Makes the rows of every atom orthonormal, D = RQ, and turns codes and B accordingly. An atom whose rows have vanished or
/// become parallel (which codes of rank one allow) keeps what is left and gets the rest from where it was before, as
/// `rounded` still says. Of a fit that was stopped atoms and codes still must go together; B and `rounded` are left as they are.
pub(super) fn normalise(atoms: &mut Atoms, moments: &mut Moments, codes: &mut Codes, crew: Crew) {
    let (p, w, threads) = (atoms.columns, atoms.width, crew.threads);
    let rounded = &atoms.rounded;
    let blocks = atoms.dictionary.directions.chunks_exact_mut(w * p).zip(rounded.chunks_exact(w * p));
    let mut whole: Vec<(&mut [f64], &[f32], Triangle)> =
        blocks.map(|(rows, old)| (rows, old, [1.0, 0.0, 1.0])).collect();
    for_each_piece(threads, &mut whole, ATOMS, |_, atoms| {
        atoms.iter_mut().for_each(|(rows, old, factor)| *factor = orthonormal(rows, old, p));
    });
    let factors: Vec<Triangle> = whole.into_iter().map(|(_, _, factor)| factor).collect();
    let support = &codes.support;
    for_each_piece(threads, &mut codes.values, STRETCH * w, |piece, values| {
        for (c, &atom) in values.chunks_exact_mut(w).zip(&support[piece * STRETCH..]) {
            if atom != NONE {
                turn(c, &factors[atom as usize]);
            }
        }
    });
    for_each_piece(threads, &mut moments.panels, moments.rows * WIDE, |_, panel| {
        if crew.stopped() {
            return;
        }
        for (k, factor) in factors.iter().enumerate() {
            for e in 0..WIDE {
                let at = |u: usize| (k * w + u) * WIDE + e;
                let mut pair = [panel[at(0)], if w == 2 { panel[at(1)] } else { 0.0 }];
                turn(&mut pair[..w], factor);
                (0..w).for_each(|u| panel[at(u)] = pair[u]);
            }
        }
    });
    if !crew.stopped() {
        atoms.round(threads);
    }
}

/// Of a lower triangle R the numbers r_11, r_21, r_22; of a direction the first alone.
type Triangle = [f64; 3];

/// Makes the rows of one atom orthonormal; R. What is missing comes from the rows before.
fn orthonormal(rows: &mut [f64], before: &[f32], p: usize) -> Triangle {
    let mut factor = [1.0, 0.0, 1.0];
    let (first, second) = rows.split_at_mut(p);
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let recall = |x: &mut [f64], from: &[f32]| x.iter_mut().zip(from).for_each(|(x, old)| *x = f64::from(*old));
    factor[0] = norm(first);
    if factor[0] > f64::MIN_POSITIVE {
        first.iter_mut().for_each(|x| *x /= factor[0]);
    } else {
        factor[0] = 0.0;
        recall(first, &before[..p]);
        let size = norm(first);
        first.iter_mut().for_each(|x| *x /= size);
    }
    if !second.is_empty() {
        let against = |x: &mut [f64]| {
            let along: f64 = first.iter().zip(&*x).map(|(q, x)| q * x).sum();
            first.iter().zip(x).for_each(|(q, x)| *x -= along * q);
            along
        };
        factor[1] = against(second);
        factor[1] += against(second);
        factor[2] = norm(second);
        if factor[2] <= 1e-12 * factor[1].abs().max(factor[0]) {
            factor[2] = 0.0;
            let unit = (0..p).min_by(|&i, &j| first[i].abs().total_cmp(&first[j].abs())).expect("a column");
            recall(second, &before[p..]);
            against(second);
            if norm(second) < 1e-3 {
                second.fill(0.0);
                second[unit] = 1.0;
                against(second);
            }
        }
        let size = norm(second);
        second.iter_mut().for_each(|x| *x /= size);
    }
    factor
}

/// c ← cR.
fn turn(c: &mut [f64], factor: &Triangle) {
    c[0] *= factor[0];
    if c.len() == 2 {
        c[0] += c[1] * factor[1];
        c[1] *= factor[2];
    }
}
