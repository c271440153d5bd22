// Small non-negative least-squares problems on a GPU: the body is in nnls.h. nnls.ptx is made of this by
//   crates/candle/kernels/build.sh
#include <math.h>
#include <stddef.h>

#define HW_FUNCTION static __device__ __forceinline__
#define HW_NAME body8
#define HW_MOST 8
#include "nnls.h"
#undef HW_NAME
#undef HW_MOST
#define HW_NAME body16
#define HW_MOST 16
#include "nnls.h"
#undef HW_NAME
#undef HW_MOST
#define HW_NAME body32
#define HW_MOST 32
#include "nnls.h"

#define KERNEL(most)                                                                                               \
    extern "C" __global__ void nnls##most(unsigned p, unsigned n, int bounded, const double *a, const double *b,   \
                                          const double *guess, double *x)                                          \
    {                                                                                                              \
        const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;                                                  \
        if (i < n)                                                                                                 \
            body##most(p, n, i, bounded, a, b, guess, x);                                                          \
    }
KERNEL(8)
KERNEL(16)
KERNEL(32)
