/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention of many tokens of one sequence: rotation and cache, then scores, softmax and values, in the CPU's order (model/attend.h).
 * Arguments: session.h.
 */
#include "cache.cuh"

/* ---- many tokens: queries rotated in place, keys and values into the cache; a block a token */

template <class T> __device__ __forceinline__ void remember(const attend_args &p) {
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    const cache_layer &c = p.cache;
    const int position = p.state->position + blockIdx.x, units = c.heads + 2 * c.groups;
    float *row = p.qkv + (size_t)blockIdx.x * units * c.d;
    const warp_angles angles = take_angles(p, position);
    for (int u = threadIdx.x / 32; u < units; u += REMEMBER_THREADS / 32) {
        warp_row r = take_row(row + u * c.d, c.d);
        if (u < c.heads + c.groups) rotate_row(r, angles);
        if (u < c.heads) {
            each_element<float>(r, c.d, [&](int i, float v) { row[u * c.d + i] = v; });
            continue;
        }
        scale_row<T>(r);
        if (u < c.heads + c.groups) store_key<T>(c, u - c.heads, position, r);
        else store_value<T>(c, u - c.heads - c.groups, position, r);
    }
    mark(p.marks, MARK_END);
}
/* ---- many tokens: a block takes ATTEND_ROWS rows, tokens x the heads of one group */

struct attend_memory {
    float q[HEAD_MOST][ATTEND_ROWS]; /* divided by sqrt(d) */
    float cache[HEAD_MOST * KEY_PANEL]; /* keys [i][64], or values [64][HEAD_MOST] */
    float weights[KEY_PANEL][ATTEND_ROWS];
    float maxima[4][ATTEND_ROWS], partial[16][ATTEND_ROWS], share[ATTEND_ROWS];
};

/* What a block works on. `seen` of row r: positions before it and its own. */
struct attend_part {
    int each, first, tokens, before, end, group; /* heads of the group; first token, how many; positions before the pass; most that a row sees */
    float *scores;                               /* [position][ATTEND_ROWS] */
    __device__ __forceinline__ int seen(int r) const { return r < tokens * each ? before + first + r / each + 1 : 0; }
};

/* Later tokens see more: they come first. */
__device__ __forceinline__ attend_part attend_share(const attend_args &p) {
    attend_part a;
    a.each = p.cache.heads / p.cache.groups;
    const int most = ATTEND_ROWS / a.each, tile = gridDim.x - 1 - blockIdx.x;
    a.first = tile * most;
    a.tokens = min(most, p.tokens - a.first);
    a.before = p.state->position;
    a.group = blockIdx.y;
    a.end = a.before + a.first + a.tokens;
    a.scores = p.scores + ((size_t)blockIdx.y * gridDim.x + tile) * p.cache.positions * ATTEND_ROWS;
    return a;
}

__device__ __forceinline__ void attend_take_q(const attend_args &p, const attend_part &a, attend_memory &m) {
    const int d = p.cache.d, wide = (p.cache.heads + 2 * p.cache.groups) * d;
    const float shrink = shrink_of(d);
    for (int x = threadIdx.x; x < ATTEND_ROWS * d; x += ATTEND_THREADS) {
        const int r = x / d, i = x % d, token = r / a.each, head = a.group * a.each + r % a.each;
        m.q[i][r] = token < a.tokens ? __fmul_rn(__ldcg(p.qkv + (size_t)(a.first + token) * wide + head * d + i), shrink) : 0.0f;
    }
}

/* A panel of keys as floats. */
template <class T> __device__ __forceinline__ void attend_take_keys(const attend_args &p, const attend_part &a, attend_memory &m, int panel) {
    const cache_layer &c = p.cache;
    const size_t at = (size_t)a.group * c.positions + panel * KEY_PANEL;
    const several<T, 4> *from = (const several<T, 4> *)((const T *)c.keys + at * c.d);
    for (int x = threadIdx.x; x < c.d * KEY_PANEL / 4; x += ATTEND_THREADS) {
        const several<T, 4> v = from[x];
        float4 s = {1, 1, 1, 1};
        if (is_int8<T>::VALUE) s = *(const float4 *)(c.key_scales + at + x * 4 % KEY_PANEL);
        *(float4 *)(m.cache + x * 4) = {widen(v.v[0], s.x), widen(v.v[1], s.y), widen(v.v[2], s.z), widen(v.v[3], s.w)};
    }
}

/* Values of 64 positions as floats, zeros from `end` on. */
template <class T> __device__ __forceinline__ void attend_take_values(const attend_args &p, const attend_part &a, attend_memory &m, int panel) {
    const cache_layer &c = p.cache;
    const int quads = c.d / 4;
    for (int x = threadIdx.x; x < KEY_PANEL * quads; x += ATTEND_THREADS) {
        const int j = x / quads, i = x % quads * 4, position = panel * KEY_PANEL + j;
        const size_t row = (size_t)a.group * c.positions + position;
        float4 out = {0, 0, 0, 0};
        if (position < a.end) {
            const several<T, 4> v = *(const several<T, 4> *)((const T *)c.values + row * c.pitch + i);
            const float s = is_int8<T>::VALUE ? c.value_scales[row] : 1;
            out = {widen(v.v[0], s), widen(v.v[1], s), widen(v.v[2], s), widen(v.v[3], s)};
        }
        *(float4 *)(m.cache + j * HEAD_MOST + i) = out;
    }
}

/* Thread t's 4 rows (t / 16 * 4) by 4 positions (t % 16 * 4) of a panel's scores. */
__device__ __forceinline__ void attend_score(const attend_part &a, const attend_memory &m, int panel, int d) {
    const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
    float s[4][4] = {};
#pragma unroll 4
    for (int i = 0; i < d; i++) {
        const float4 q = *(const float4 *)&m.q[i][row], k = *(const float4 *)(m.cache + i * KEY_PANEL + column);
        const float qs[4] = {q.x, q.y, q.z, q.w}, ks[4] = {k.x, k.y, k.z, k.w};
#pragma unroll
        for (int x = 0; x < 4; x++)
#pragma unroll
            for (int y = 0; y < 4; y++) s[x][y] = __fmaf_rn(qs[x], ks[y], s[x][y]);
    }
#pragma unroll
    for (int y = 0; y < 4; y++) *(float4 *)(a.scores + (size_t)(panel * KEY_PANEL + column + y) * ATTEND_ROWS + row) = {s[0][y], s[1][y], s[2][y], s[3][y]};
}

/* exp(score - largest) in place, zeros where a row does not see; m.share: one over their sum. A lane is a row; a warp has 4 of every 16 positions. */
__device__ __forceinline__ void attend_softmax(const attend_part &a, attend_memory &m) {
    const int warp = threadIdx.x / 32, r = threadIdx.x & 31, seen = a.seen(r), end = (a.end + KEY_PANEL - 1) / KEY_PANEL * KEY_PANEL;
    float *scores = a.scores + r, most = -__int_as_float(0x7f800000), sums[4] = {};
#pragma unroll 4
    for (int j = warp * 4; j < end; j += 16)
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const float s = scores[(size_t)(j + k) * ATTEND_ROWS];
            most = j + k < seen ? fmaxf(most, s) : most;
        }
    m.maxima[warp][r] = most;
    __syncthreads();
    most = fmaxf(fmaxf(m.maxima[0][r], m.maxima[1][r]), fmaxf(m.maxima[2][r], m.maxima[3][r]));
    for (int j = warp * 4; j < end; j += KEY_PANEL)
#pragma unroll
        for (int k = 0; k < 4; k++) {
            float e[4]; /* of a panel's four sixteens */
#pragma unroll
            for (int part = 0; part < 4; part++) {
                const int position = j + k + part * 16;
                float *at = scores + (size_t)position * ATTEND_ROWS;
                e[part] = position < seen ? exp_same(__fsub_rn(*at, most)) : 0.0f;
                *at = e[part];
            }
            sums[k] = __fadd_rn(sums[k], __fadd_rn(__fadd_rn(e[0], e[2]), __fadd_rn(e[1], e[3])));
        }
#pragma unroll
    for (int k = 0; k < 4; k++) m.partial[warp * 4 + k][r] = sums[k];
    __syncthreads();
    if (warp == 0) {
        float s[16];
#pragma unroll
        for (int k = 0; k < 16; k++) s[k] = m.partial[k][r];
        m.share[r] = seen ? __fdiv_rn(1.0f, halves(s)) : 0.0f;
    }
    __syncthreads();
}

__device__ __forceinline__ void attend_take_weights(const attend_part &a, attend_memory &m, int panel) {
    for (int x = threadIdx.x; x < KEY_PANEL * ATTEND_ROWS; x += ATTEND_THREADS) m.weights[x / ATTEND_ROWS][x % ATTEND_ROWS] = a.scores[(size_t)panel * KEY_PANEL * ATTEND_ROWS + x];
}

/* Adds a panel's sums to thread t's 4 rows (t / 16 * 4) by 8 elements (t % 16 * 4, and 64 on) of y. */
__device__ __forceinline__ void attend_mix(const attend_memory &m, float (&y)[4][8], int n) {
    const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
    float s[4][8] = {};
#pragma unroll 2
    for (int j = 0; j < n; j++) {
        const float4 p = *(const float4 *)&m.weights[j][row], v = *(const float4 *)(m.cache + j * HEAD_MOST + column), w = *(const float4 *)(m.cache + j * HEAD_MOST + column + 64);
        const float ps[4] = {p.x, p.y, p.z, p.w}, vs[8] = {v.x, v.y, v.z, v.w, w.x, w.y, w.z, w.w};
#pragma unroll
        for (int r = 0; r < 4; r++)
#pragma unroll
            for (int i = 0; i < 8; i++) s[r][i] = __fmaf_rn(ps[r], vs[i], s[r][i]);
    }
#pragma unroll
    for (int r = 0; r < 4; r++)
#pragma unroll
        for (int i = 0; i < 8; i++) y[r][i] = __fadd_rn(y[r][i], s[r][i]);
}

__device__ __forceinline__ void attend_store(const attend_args &p, const attend_part &a, const attend_memory &m, const float (&y)[4][8]) {
    const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4, d = p.cache.d;
#pragma unroll
    for (int x = 0; x < 4; x++) {
        const int r = row + x;
        if (r >= a.tokens * a.each) continue;
        float *out = p.out + (size_t)(a.first + r / a.each) * p.ldo + (a.group * a.each + r % a.each) * d;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const int at = column + (i & 3) + (i >> 2) * 64;
            if (at < d) out[at] = __fmul_rn(y[x][i], m.share[r]);
        }
    }
}

template <class T> __device__ __forceinline__ void attend(const attend_args &p, attend_memory &m) {
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    const attend_part a = attend_share(p);
    const int panels = (a.end + KEY_PANEL - 1) / KEY_PANEL;
    attend_take_q(p, a, m);
    for (int panel = 0; panel < panels; panel++) {
        attend_take_keys<T>(p, a, m, panel);
        __syncthreads();
        attend_score(a, m, panel, p.cache.d);
        __syncthreads();
    }
    attend_softmax(a, m);
    float y[4][8] = {};
    for (int panel = 0; panel < panels; panel++) {
        attend_take_values<T>(p, a, m, panel);
        attend_take_weights(a, m, panel);
        __syncthreads();
        attend_mix(m, y, min(KEY_PANEL, a.end - panel * KEY_PANEL));
        __syncthreads();
    }
    attend_store(p, a, m, y);
    mark(p.marks, MARK_END);
}
#define PROMPT_KERNELS(name, type)                                                                     \
    extern "C" __global__ void __launch_bounds__(REMEMBER_THREADS) remember_##name(const attend_args p) \
    {                                                                                                  \
        remember<type>(p);                                                                             \
    }                                                                                                  \
    extern "C" __global__ void __launch_bounds__(ATTEND_THREADS, 4) attend_##name(const attend_args p) \
    {                                                                                                  \
        DYNAMIC_SHARED(uint8_t, attend_shared);                                                        \
        attend<type>(p, *(attend_memory *)attend_shared);                                              \
    }
EACH_CACHE(PROMPT_KERNELS)
