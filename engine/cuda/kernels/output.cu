/* SPDX-License-Identifier: Apache-2.0
 *
 * The output matrix and the step to the next position. Arguments: session.h.
 */
#include "session.h"
#include "sums.cuh"

/* Larger logits, then lower rows, give larger numbers; no number gives the least. */
__device__ __forceinline__ unsigned long long order_logit(float v, int row) {
    return (unsigned long long)(v == v ? float_order(__fadd_rn(v, 0.0f)) : 0u) << 32 | (0xFFFFFFFFu - (unsigned)row);
}

/* logits[r] = ((rows[r] . q) * scales[r]) * scale for up to QS rows of q: a warp takes four rows of the matrix at a time, a lane every 32nd piece of
 * 16 bytes. */
template <int QS> __device__ __forceinline__ void head(const head_args &p, uint4 *q) {
    enum { ROWS = 4 };
    __shared__ unsigned long long bests[LOGITS_THREADS / 32][QS];
    const int lane = threadIdx.x & 31, warps = gridDim.x * (LOGITS_THREADS / 32), pieces = p.width / 16, first = blockIdx.y * QS, some = min(QS, p.sequences - first);
    unsigned long long best[QS] = {};
    float scale[QS];
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
#pragma unroll
    for (int s = 0; s < QS; s++) {
        const int from = first + min(s, some - 1); /* where there are fewer, the last one again */
        for (int i = threadIdx.x; i < pieces; i += LOGITS_THREADS) q[s * pieces + i] = __ldcg((const uint4 *)(p.q + (size_t)from * p.ldq) + i);
        scale[s] = __ldcg(p.scale + from);
    }
    __syncthreads();
    for (int r0 = (blockIdx.x * (LOGITS_THREADS / 32) + threadIdx.x / 32) * ROWS; r0 < p.vocabulary; r0 += warps * ROWS) {
        int sums[ROWS][QS] = {};
#pragma unroll 5
        for (int i = lane; i < pieces; i += 32) {
            uint4 w[ROWS];
#pragma unroll
            for (int r = 0; r < ROWS; r++) w[r] = __ldcs((const uint4 *)(p.rows + (size_t)min(r0 + r, p.vocabulary - 1) * p.width) + i);
#pragma unroll
            for (int s = 0; s < QS; s++) {
                const uint4 x = q[s * pieces + i];
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    sums[r][s] = __dp4a((int)w[r].x, (int)x.x, __dp4a((int)w[r].y, (int)x.y, __dp4a((int)w[r].z, (int)x.z, __dp4a((int)w[r].w, (int)x.w, sums[r][s]))));
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++)
#pragma unroll
            for (int s = 0; s < QS; s++) {
                for (int o = 16; o; o >>= 1) sums[r][s] += __shfl_xor_sync(~0u, sums[r][s], o);
                if (lane != r || r0 + r >= p.vocabulary || s >= some) continue;
                const float v = __fmul_rn(__fmul_rn((float)sums[r][s], p.scales[r0 + r]), scale[s]);
                p.logits[(size_t)(first + s) * p.vocabulary + r0 + r] = v;
                const unsigned long long order = order_logit(v, r0 + r);
                best[s] = order > best[s] ? order : best[s];
            }
    }
    mark(p.marks, MARK_END);
    if (!p.state) return;
#pragma unroll
    for (int s = 0; s < QS; s++) {
        for (int o = 16; o; o >>= 1) {
            const unsigned long long other = __shfl_xor_sync(~0u, best[s], o);
            best[s] = other > best[s] ? other : best[s];
        }
        if (lane == 0) bests[threadIdx.x / 32][s] = best[s];
    }
    __syncthreads();
    if ((int)threadIdx.x >= some) return;
    unsigned long long most = bests[0][threadIdx.x];
    for (int w = 1; w < LOGITS_THREADS / 32; w++) most = bests[w][threadIdx.x] > most ? bests[w][threadIdx.x] : most;
    atomicMax(&p.state[first + threadIdx.x].best, most);
}

extern "C" __global__ void __launch_bounds__(LOGITS_THREADS) head_i8(const head_args p)
{
    DYNAMIC_SHARED(uint4, q);
    head<1>(p, q);
}
extern "C" __global__ void __launch_bounds__(LOGITS_THREADS) heads_i8(const head_args p)
{
    DYNAMIC_SHARED(uint4, qs);
    head<HEADS_AT_ONCE>(p, qs);
}

/*
 * Writes the most likely token behind the pass's and goes on. Later launches may begin only behind that: everything before them is done then, so
 * what they read before they wait (where a sequence stands, a cache's earlier positions) is whole.
 */
extern "C" __global__ void __launch_bounds__(32) next_position(const advance_args p)
{
    wait_for_earlier();
    for (int s = threadIdx.x; s < p.sequences; s += 32) {
        session_state &state = p.state[s];
        const int position = state.position + p.tokens;
        if (p.has_best) p.history[(size_t)s * p.history_pitch + position] = 0xFFFFFFFFu - (unsigned)state.best;
        state.position = position;
        state.best = 0;
    }
    __threadfence();
    __syncwarp();
    let_later_start();
}
