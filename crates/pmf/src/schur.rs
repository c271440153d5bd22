//! The Hessian of Q/2 after elimination of the long factor, as a dense matrix on the short one.
//!
//! With members i of the long side (factor row w, weights ω_j, residuals r_j = w·h_j − v_j, u_j = ω_j r_j,
//! passive set F, P = (A_FF)⁻¹ padded with zeros) and unknowns (j, l) of the short factor:
//!   C_i[k, (j,l)] = ω_j h_jk w_l + δ_kl u_j,      S = diag_j(B_j) − Σ_i C_iᵀ P_i C_i.
//! With N = ΩHᵀPHΩ (n × n) and T = PHΩ (p × n) of a member,
//!   C_iᵀP_iC_i [(j,l), (j',l')] = w_l w_l' N_jj' + w_l T_l'j u_j' + u_j T_lj' w_l' + P_ll' u_j u_j'
//! which is Z + Zᵀ + F, where
//!   Z[(j,l), (j',l')] = Σ_i w_l (½ w_l' N_jj' + T_l'j u_j'),   F = Σ_i P_ll' u_j u_j'.
//! Everything is linear in P: when passive sets change, only the difference of P of those members is added.
//!
//! Cost: 2·m·n²·p²(1 + 3/p + ¼) flop; one pass holds 64 members' N, T, u in the cache.
//! What bounds it: multiply-adds (a tile of up to 8 l by 16 j' stays in registers).

use crate::block::Shared;
use headwater_base::{Control, parallel};
use headwater_linalg::simd;
use headwater_linalg::{LANES, packed, packed_len};

/// Members taken together.
const CHUNK: usize = 64;

/// Z and F, summed over members.
#[derive(Clone)]
pub struct Schur {
    p: usize,
    n: usize,
    padded: usize,
    /// [j][l][l'][j'], j' padded.
    z: Vec<f64>,
    /// [j][pair l >= l'][j' >= j], j' padded.
    f: Vec<f64>,
}

/// What a member contributes with: all in lanes, as left by the kernels.
pub struct Members<'a> {
    /// Weights (curvatures) of the cells, blocks × n × lanes.
    pub omega: &'a [f64],
    /// blocks × p × lanes.
    pub w: &'a [f64],
    /// blocks × n × lanes.
    pub u: &'a [f64],
    /// n × p.
    pub h: &'a [f64],
    /// A cancelled sum is left unfinished: the caller asks before it uses it.
    pub control: Control<'a>,
}

impl Schur {
    pub fn new(n: usize, p: usize) -> Self {
        let padded = n.next_multiple_of(LANES);
        Self { p, n, padded, z: vec![0.0; n * p * p * padded], f: vec![0.0; n * packed_len(p) * padded] }
    }

    /// Adds the given members with their matrices P (`inverse`: one packed matrix a member listed, member-major).
    pub fn add(&mut self, members: &Members, list: &[usize], inverse: &[f64], threads: usize) {
        let (p, n, padded) = (self.p, self.n, self.padded);
        let (z_len, f_len) = (p * p * padded, packed_len(p) * padded);
        let pieces = threads.min(n).max(1);
        let z = Shared::new(&mut self.z);
        let f = Shared::new(&mut self.f);
        parallel::for_each(threads, pieces, |piece| {
            let range = piece * n / pieces..(piece + 1) * n / pieces;
            let mut chunk = Chunk::new(p, n, padded);
            for (start, part) in (0..list.len()).step_by(CHUNK).zip(list.chunks(CHUNK)) {
                if members.control.cancelled() {
                    return;
                }
                chunk.gather(members, part, &inverse[start * packed_len(p)..]);
                for j in range.clone() {
                    // SAFETY: each j belongs to one piece.
                    let (z, f) = unsafe { (z.slice(j * z_len, z_len), f.slice(j * f_len, f_len)) };
                    add_column(&mut chunk, j, z, f);
                }
            }
        });
    }

    /// Adds what another one of the same size holds.
    pub fn merge(&mut self, other: &Self) {
        self.z.iter_mut().zip(&other.z).for_each(|(sum, term)| *sum += term);
        self.f.iter_mut().zip(&other.f).for_each(|(sum, term)| *sum += term);
    }

    /// Element ((j,l), (j',l')) of Σ_i C_iᵀP_iC_i.
    #[inline]
    pub fn element(&self, j: usize, l: usize, jj: usize, ll: usize) -> f64 {
        let (p, padded) = (self.p, self.padded);
        let z = |j: usize, l: usize, ll: usize, jj: usize| self.z[((j * p + l) * p + ll) * padded + jj];
        let pair = if l >= ll { packed(l, ll) } else { packed(ll, l) };
        let f = self.f[(j.min(jj) * packed_len(p) + pair) * padded + j.max(jj)];
        z(j, l, ll, jj) + z(jj, ll, l, j) + f
    }
}

/// Members' quantities by rows, j' contiguous and padded with zeros.
struct Chunk {
    p: usize,
    n: usize,
    padded: usize,
    members: usize,
    /// member × p.
    w: Vec<f64>,
    /// member × packed.
    inverse: Vec<f64>,
    /// member × padded.
    u: Vec<f64>,
    /// member × p × padded: ω_j h_jk.
    design: Vec<f64>,
    /// member × p × padded: T.
    t: Vec<f64>,
    /// member × padded: row j of N.
    row: Vec<f64>,
    /// member: T_l'j of one (j, l').
    column: Vec<f64>,
}

impl Chunk {
    fn new(p: usize, n: usize, padded: usize) -> Self {
        let zeros = |per_member: usize| vec![0.0; CHUNK * per_member];
        Self {
            p,
            n,
            padded,
            members: 0,
            w: zeros(p),
            inverse: zeros(packed_len(p)),
            u: zeros(padded),
            design: zeros(p * padded),
            t: zeros(p * padded),
            row: zeros(padded),
            column: zeros(1),
        }
    }

    fn gather(&mut self, from: &Members, list: &[usize], inverse: &[f64]) {
        let (p, n, padded) = (self.p, self.n, self.padded);
        self.members = list.len();
        let pairs = packed_len(p);
        self.inverse[..list.len() * pairs].copy_from_slice(&inverse[..list.len() * pairs]);
        for (r, &member) in list.iter().enumerate() {
            let (block, e) = (member / LANES, member % LANES);
            let omega = &from.omega[block * n * LANES..][..n * LANES];
            let u = &from.u[block * n * LANES..][..n * LANES];
            for k in 0..p {
                self.w[r * p + k] = from.w[(block * p + k) * LANES + e];
            }
            for j in 0..n {
                self.u[r * padded + j] = u[j * LANES + e];
                for k in 0..p {
                    self.design[(r * p + k) * padded + j] = omega[j * LANES + e] * from.h[j * p + k];
                }
            }
        }
        fill_t(self);
    }
}

simd! {
/// T = P · design, per member.
fn fill_t(chunk: &mut Chunk) {
    let (p, padded) = (chunk.p, chunk.padded);
    for r in 0..chunk.members {
        for l in 0..p {
            let t = &mut chunk.t[(r * p + l) * padded..][..padded];
            t.fill(0.0);
            for k in 0..p {
                let at = if k <= l { packed(l, k) } else { packed(k, l) };
                let c = chunk.inverse[r * packed_len(p) + at];
                let d = &chunk.design[(r * p + k) * padded..][..padded];
                for j in 0..padded {
                    t[j] = c.mul_add(d[j], t[j]);
                }
            }
        }
    }
}
}

simd! {
/// Everything with first index j: z ([l][l'][j']) and f ([pair][j']).
fn add_column(chunk: &mut Chunk, j: usize, z: &mut [f64], f: &mut [f64]) {
    let (p, n, padded, members) = (chunk.p, chunk.n, chunk.padded, chunk.members);
    debug_assert!(j < n);
    let pairs = packed_len(p);
    for r in 0..members {
        let row = &mut chunk.row[r * padded..][..padded];
        row.fill(0.0);
        for k in 0..p {
            let c = chunk.t[(r * p + k) * padded + j];
            let d = &chunk.design[(r * p + k) * padded..][..padded];
            for jj in 0..padded {
                row[jj] = c.mul_add(d[jj], row[jj]);
            }
        }
    }
    for ll in 0..p {
        for r in 0..members {
            chunk.column[r] = chunk.t[(r * p + ll) * padded + j];
        }
        let mut jj = 0;
        while jj < padded {
            let wide = padded - jj >= 2 * LANES;
            let mut l = 0;
            while l < p {
                let size = (p - l).min(8);
                if wide {
                    z_tile::<2>(chunk, ll, jj, l, size, z);
                } else {
                    z_tile::<1>(chunk, ll, jj, l, size, z);
                }
                l += size;
            }
            jj += if wide { 2 * LANES } else { LANES };
        }
    }
    let mut jj = j / LANES * LANES;
    while jj < padded {
        let wide = padded - jj >= 2 * LANES;
        let mut pair = 0;
        while pair < pairs {
            let size = (pairs - pair).min(8);
            if wide {
                f_tile::<2>(chunk, j, jj, pair, size, f);
            } else {
                f_tile::<1>(chunk, j, jj, pair, size, f);
            }
            pair += size;
        }
        jj += if wide { 2 * LANES } else { LANES };
    }
}
}

macro_rules! sized {
    ($f:ident, $v:ident, $size:expr, $($arg:expr),*) => {
        match $size {
            1 => $f::<1, $v>($($arg),*),
            2 => $f::<2, $v>($($arg),*),
            3 => $f::<3, $v>($($arg),*),
            4 => $f::<4, $v>($($arg),*),
            5 => $f::<5, $v>($($arg),*),
            6 => $f::<6, $v>($($arg),*),
            7 => $f::<7, $v>($($arg),*),
            _ => $f::<8, $v>($($arg),*),
        }
    };
}

#[inline(always)]
fn z_tile<const V: usize>(chunk: &Chunk, ll: usize, jj: usize, l: usize, size: usize, z: &mut [f64]) {
    sized!(z_tile_sized, V, size, chunk, ll, jj, l, z);
}

/// z[l..l+K][ll][jj..jj+8V] += Σ_r w_rl (½ w_rll N_r + T_rll u_r).
#[inline(always)]
fn z_tile_sized<const K: usize, const V: usize>(chunk: &Chunk, ll: usize, jj: usize, l: usize, z: &mut [f64]) {
    let (p, padded) = (chunk.p, chunk.padded);
    let mut sum = [[[0.0; LANES]; V]; K];
    for r in 0..chunk.members {
        let half = 0.5 * chunk.w[r * p + ll];
        let t = chunk.column[r];
        let wl: &[f64; K] = chunk.w[r * p + l..][..K].try_into().expect("K factors");
        for v in 0..V {
            let at = r * padded + jj + v * LANES;
            let row: &[f64; LANES] = chunk.row[at..][..LANES].try_into().expect("one vector");
            let u: &[f64; LANES] = chunk.u[at..][..LANES].try_into().expect("one vector");
            let mut x = [0.0; LANES];
            for e in 0..LANES {
                x[e] = half.mul_add(row[e], t * u[e]);
            }
            for k in 0..K {
                for e in 0..LANES {
                    sum[k][v][e] = wl[k].mul_add(x[e], sum[k][v][e]);
                }
            }
        }
    }
    for k in 0..K {
        for v in 0..V {
            let at = ((l + k) * p + ll) * padded + jj + v * LANES;
            let to: &mut [f64; LANES] = (&mut z[at..at + LANES]).try_into().expect("one vector");
            for e in 0..LANES {
                to[e] += sum[k][v][e];
            }
        }
    }
}

#[inline(always)]
fn f_tile<const V: usize>(chunk: &Chunk, j: usize, jj: usize, pair: usize, size: usize, f: &mut [f64]) {
    sized!(f_tile_sized, V, size, chunk, j, jj, pair, f);
}

/// f[pair..pair+K][jj..jj+8V] += Σ_r P_r (u_j u)_r.
#[inline(always)]
fn f_tile_sized<const K: usize, const V: usize>(chunk: &Chunk, j: usize, jj: usize, pair: usize, f: &mut [f64]) {
    let padded = chunk.padded;
    let mut sum = [[[0.0; LANES]; V]; K];
    let pairs = packed_len(chunk.p);
    for r in 0..chunk.members {
        let uj = chunk.u[r * padded + j];
        let pair_inverse: &[f64; K] = chunk.inverse[r * pairs + pair..][..K].try_into().expect("K pairs");
        for v in 0..V {
            let u: &[f64; LANES] = chunk.u[r * padded + jj + v * LANES..][..LANES].try_into().expect("one vector");
            let mut x = [0.0; LANES];
            for e in 0..LANES {
                x[e] = uj * u[e];
            }
            for k in 0..K {
                for e in 0..LANES {
                    sum[k][v][e] = pair_inverse[k].mul_add(x[e], sum[k][v][e]);
                }
            }
        }
    }
    for k in 0..K {
        for v in 0..V {
            let at = (pair + k) * padded + jj + v * LANES;
            let to: &mut [f64; LANES] = (&mut f[at..at + LANES]).try_into().expect("one vector");
            for e in 0..LANES {
                to[e] += sum[k][v][e];
            }
        }
    }
}
