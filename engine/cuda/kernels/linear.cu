/* SPDX-License-Identifier: Apache-2.0
 * Instantiations of the ternary product, by the names that the host looks up. A kernel whose instructions the target lacks is left
 * empty; the host does not choose it there. */
#include "gemm.cuh"
#include "held.cuh"
#include "portable.cuh"
#include "ring.cuh"
#include "stream.cuh"
#include "turns.cuh"

struct __align__(64) tensor_map {
    uint64_t opaque[16];
};

#ifdef HAVE_BULK
#define IF_BULK(statement) statement
#else
#define IF_BULK(statement)
#endif
#ifdef HAVE_WGMMA
#define IF_WGMMA(statement) statement
#else
#define IF_WGMMA(statement)
#endif

#define STREAM(warps, columns)                                                                                                             \
    extern "C" __global__ void __launch_bounds__(warps * 32) matmul_t2_i8_stream_##warps##x##columns(const stream_args p)                   \
    {                                                                                                                                      \
        IF_BULK((stream_body<warps, columns>(p));)                                                                                         \
    }
#define HELD(warps, quads, tiles)                                                                                                          \
    extern "C" __global__ void __launch_bounds__(warps * 32, 2) matmul_t2_i8_held_##warps##x##quads##x##tiles(const stream_args p)          \
    {                                                                                                                                      \
        held_body<warps, quads, tiles>(p);                                                                                                 \
    }
#define RING(warps, quads)                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(warps * 32 + 32, 2) matmul_t2_i8_ring_##warps##x##quads(const stream_args p)              \
    {                                                                                                                                      \
        IF_BULK((ring_body<warps, quads>(p));)                                                                                             \
    }
#define GEMM(batch, groups, slices, quads)                                                                                                 \
    extern "C" __global__ void __launch_bounds__(gemm_shape<batch, groups, slices, quads>::THREADS, 1)                                      \
        matmul_t2_i8_gemm_##batch##x##groups##x##slices##x##quads(const gemm_args p, const __grid_constant__ tensor_map w,                  \
                                                                  const __grid_constant__ tensor_map x)                                    \
    {                                                                                                                                      \
        IF_WGMMA((gemm_body<gemm_shape<batch, groups, slices, quads>>(p, &w, &x));)                                                        \
    }
#define TURNS(batch, groups, quads)                                                                                                        \
    extern "C" __global__ void __launch_bounds__(turns_shape<batch, groups, quads>::THREADS, 1)                                             \
        matmul_t2_i8_turns_##batch##x##groups##x##quads(const gemm_args p, const __grid_constant__ tensor_map w,                            \
                                                        const __grid_constant__ tensor_map x)                                              \
    {                                                                                                                                      \
        IF_WGMMA((turns_body<turns_shape<batch, groups, quads>>(p, &w, &x));)                                                               \
    }
#define PORTABLE(warps, tiles, columns)                                                                                                    \
    extern "C" __global__ void __launch_bounds__(warps * 32) matmul_t2_i8_portable_##warps##x##tiles##x##columns(const stream_args p)       \
    {                                                                                                                                      \
        portable_body<warps, tiles, columns>(p);                                                                                           \
    }
#include "linear.def"
