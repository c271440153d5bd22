//! Planes from directions: a fit of circles begins as one of 2K signed directions, 2s of them on in a row.
//!
//! A row on a circle needs two directions of its plane whatever its phase, so two that belong to one plane are on together in nearly
//! all of each other's rows, and with others by chance. Turns of planes from random axes stop at planes that are mixtures instead
//! (of 6 planted planes, one active, none was found; from pairs all are).
//! Which ones are on together is counted in one pass over the codes, each direction keeping the partners that can make up more
//! than 1/33 of all its company (the rule of Misra and Gries). Cost: N·(2s)² look-ups among 32 counters. Memory: 256 bytes a direction.
//! Source: J. Misra, D. Gries (1982), "Finding repeated elements", Science of Computer Programming 2:143.

use headwater_base::parallel::{Crew, for_each_piece};

use crate::lane::dictionary::{Codes, Dictionary, Shape};
use crate::lane::seeds::{clean, uses};

/// Partners that are counted at a time.
const KEPT: usize = 32;

/// Pairs the directions of a dictionary, most common company first (counts relative to the rows of the less used one), the rest as
/// they come. Of a fit that was stopped, by what was counted until then.
pub(super) fn pair(dictionary: &Dictionary, codes: &Codes, crew: Crew) -> Dictionary {
    let (p, count) = (dictionary.columns(), dictionary.atoms());
    let uses = uses(codes, count);
    let mut company: Vec<Vec<(f64, usize, usize)>> = vec![Vec::new(); count];
    let counted = count_company(codes, count, crew);
    for (i, partners) in counted.iter().enumerate() {
        // Counted by both, the larger count is nearer to the truth, as counters only lose.
        company[i] = partners
            .iter()
            .map(|&(j, n)| {
                (f64::from(n) / f64::from(uses[i].min(uses[j as usize]).max(1)), i.min(j as usize), i.max(j as usize))
            })
            .collect();
    }
    let mut all: Vec<(f64, usize, usize)> = company.into_iter().flatten().collect();
    all.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    let mut partner = vec![usize::MAX; count];
    for (_, i, j) in all {
        if partner[i] == usize::MAX && partner[j] == usize::MAX {
            (partner[i], partner[j]) = (j, i);
        }
    }
    let mut left = (0..count).filter(|&i| partner[i] == usize::MAX).collect::<Vec<_>>().into_iter();
    while let (Some(i), Some(j)) = (left.next(), left.next()) {
        (partner[i], partner[j]) = (j, i);
    }
    let mut directions = Vec::with_capacity(count * p);
    for i in (0..count).filter(|&i| i < partner[i]) {
        let row = |i: usize| &dictionary.directions[i * p..(i + 1) * p];
        let (first, mut second) = (row(i), row(partner[i]).to_vec());
        directions.extend_from_slice(first);
        // Twins span a line: the plane's other axis is any.
        let mut unit = 0;
        while !clean(&mut second, first) {
            second.fill(0.0);
            second[unit] = 1.0;
            unit += 1;
        }
        directions.extend_from_slice(&second);
    }
    Dictionary { shape: Shape::Circle, directions, ..dictionary.clone() }
}

/// Each direction's partners and how often they came with it. Directions are counted piece by piece, each over all rows in order, so
/// that no count depends on the pieces.
fn count_company(codes: &Codes, count: usize, crew: Crew) -> Vec<Vec<(u32, u32)>> {
    let size = count.div_ceil(4 * crew.threads.max(1)).max(1);
    let mut out: Vec<Vec<(u32, u32)>> = vec![Vec::new(); count];
    for_each_piece(crew.threads, &mut out, size, |piece, out| {
        let own = piece * size..piece * size + out.len();
        for n in 0..codes.rows() {
            if n % 1024 == 0 && crew.stopped() {
                return;
            }
            let (support, _) = codes.row(n);
            for &i in support.iter().filter(|&&i| own.contains(&(i as usize))) {
                let counters = &mut out[i as usize - own.start];
                for &j in support.iter().filter(|&&j| j != i) {
                    if let Some((_, n)) = counters.iter_mut().find(|(other, _)| *other == j) {
                        *n += 1;
                    } else if counters.len() < KEPT {
                        counters.push((j, 1));
                    } else {
                        counters.retain_mut(|(_, n)| {
                            *n -= 1;
                            *n > 0
                        });
                    }
                }
            }
        }
    });
    out
}
