/* Non-negative least squares, one small system a thread: the body of nnls.cu, and of a test that compiles it for the CPU.
 *
 * Minimise x'Ax - 2b'x over x >= 0 by block principal pivoting, as crates/linalg/src/nnls.rs does: solve A_FF x_F = b_F for the
 * passive set F (here the bits of `set`) by Cholesky, with everything outside masked; exchange every index with x_k <= 0 in F or
 * a negative multiplier outside; after three exchanges that do not help, only the one with the largest index.
 * Element (k, l), l >= k, of A of system i is a[(k p - k (k - 1) / 2 + l - k) n + i]: neighbours in memory belong to neighbouring
 * threads. A system that has not ended in 10 p + 30 rounds gets NAN, and is solved elsewhere.
 * What bounds it: local memory, where the p (p + 1) / 2 elements of the factor live.
 *
 * HW_NAME and HW_MOST (the largest p) come from whoever includes this; it is C, so that any C compiler can check it.
 */
HW_FUNCTION void HW_NAME(unsigned p, unsigned n, unsigned i, int bounded, const double *a, const double *b,
                         const double *guess, double *out)
{
    double l[HW_MOST * (HW_MOST + 1) / 2]; /* the factor, lower triangle by rows; 1 / L_kk on the diagonal */
    double x[HW_MOST];
    unsigned set = 0, fewest = p + 1, patience = 3;
    for (unsigned k = 0; k < p; k++)
        if (!bounded || guess[(size_t)k * n + i] > 0.0)
            set |= 1u << k;
    for (unsigned round = 0; round < 10 * p + 30; round++) {
        for (unsigned k = 0; k < p; k++) {
            const unsigned in_k = set >> k & 1u, row = k * (k + 1) / 2;
            for (unsigned j = 0; j < k; j++) {
                double sum = 0.0;
                if (in_k && (set >> j & 1u)) {
                    sum = a[(size_t)(j * p - j * (j - 1) / 2 + k - j) * n + i];
                    for (unsigned t = 0; t < j; t++)
                        sum -= l[row + t] * l[j * (j + 1) / 2 + t];
                }
                l[row + j] = sum * l[j * (j + 1) / 2 + j];
            }
            {
                const double whole = in_k ? a[(size_t)(k * p - k * (k - 1) / 2) * n + i] : 1.0;
                double sum = whole;
                for (unsigned t = 0; t < k; t++)
                    sum -= l[row + t] * l[row + t];
                l[row + k] = sum > 1e-13 * whole ? 1.0 / sqrt(sum) : 0.0; /* a dependent column has x = 0 */
                sum = in_k ? b[(size_t)k * n + i] : 0.0;
                for (unsigned t = 0; t < k; t++)
                    sum -= l[row + t] * x[t];
                x[k] = sum * l[row + k];
            }
        }
        for (unsigned k = p; k-- > 0;) {
            double sum = x[k];
            for (unsigned t = k + 1; t < p; t++)
                sum -= l[t * (t + 1) / 2 + k] * x[t];
            x[k] = sum * l[k * (k + 1) / 2 + k];
        }
        if (!bounded)
            break;
        unsigned wrong = 0, count = 0;
        for (unsigned k = 0; k < p; k++) {
            if (set >> k & 1u) {
                if (x[k] <= 0.0)
                    wrong |= 1u << k, count++;
                continue;
            }
            double sum = -b[(size_t)k * n + i], size = fabs(sum);
            for (unsigned t = 0; t < p; t++) {
                const unsigned u = k < t ? k : t, v = k < t ? t : k;
                if (set >> t & 1u) {
                    const double term = a[(size_t)(u * p - u * (u - 1) / 2 + v - u) * n + i] * x[t];
                    sum += term;
                    size += fabs(term);
                }
            }
            if (sum < -4e-14 * size)
                wrong |= 1u << k, count++;
        }
        if (count == 0)
            break;
        if (count < fewest) {
            fewest = count;
            patience = 3;
            set ^= wrong;
        } else if (patience > 0) {
            patience--;
            set ^= wrong;
        } else {
            unsigned last = 0;
            for (unsigned k = 0; k < p; k++)
                if (wrong >> k & 1u)
                    last = k;
            set ^= 1u << last;
        }
        if (round + 1 == 10 * p + 30)
            for (unsigned k = 0; k < p; k++)
                x[k] = NAN;
    }
    for (unsigned k = 0; k < p; k++)
        out[(size_t)k * n + i] = bounded && !(set >> k & 1u) && x[k] == x[k] ? 0.0 : x[k];
}
