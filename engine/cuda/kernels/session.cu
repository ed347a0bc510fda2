/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of a pass over a whole model beside its products and norms: rotation and cache, attention of one token and of many, output
 * matrix, the step to the next position. Sums follow the CPU's order (model/attend.h: one chain of fused multiply-adds over i, then over
 * positions; core/head.h), so a pass has the CPU's bits for what the cache holds. Arguments: session.h.
 */
#include "arguments.h"
#include "session.h"
#include "sums.cuh"

#ifndef CUDA_EMULATED
#include <cuda_fp16.h>
#endif

/* ---- elements of the cache */

__device__ __forceinline__ float widen(float v, float) { return v; }
__device__ __forceinline__ float widen(__half v, float) { return __half2float(v); }
__device__ __forceinline__ float widen(int8_t v, float scale) { return __fmul_rn(scale, (float)v); }

/* round_half_even(v), clamped to int8 */
__device__ __forceinline__ int8_t to_int8(float v) { return !(v > -128.0f) ? -128 : v > 127.0f ? 127 : (int8_t)__float2int_rn(v); }

__device__ __forceinline__ void narrow(float v, float, float &out) { out = v; }
__device__ __forceinline__ void narrow(float v, float, __half &out) { out = __float2half_rn(v); }
__device__ __forceinline__ void narrow(float v, float to_int, int8_t &out) { out = to_int8(__fmul_rn(v, to_int)); }

/* Elements side by side, as one load takes them. */
template <class T, int N> struct __align__(sizeof(T) * N) several {
    T v[N];
};

template <class T> struct is_int8 {
    enum { VALUE = sizeof(T) == 1 };
};

/* A row of at most HEAD_MOST elements over a warp: lane l has elements i and i + d/2 of the pairs i = l and l + 32. */
struct warp_row {
    float low[2], high[2], to_int, scale;
};

__device__ __forceinline__ warp_row take_row(const float *x, int d) {
    warp_row r;
#pragma unroll
    for (int c = 0; c < 2; c++) {
        const int i = (threadIdx.x & 31) + 32 * c;
        r.low[c] = i < d / 2 ? __ldcg(x + i) : 0.0f;
        r.high[c] = i < d / 2 ? __ldcg(x + i + d / 2) : 0.0f;
    }
    r.to_int = r.scale = 1;
    return r;
}

__device__ __forceinline__ void rotate_row(warp_row &r, const float *cosine, const float *sine, int d) {
#pragma unroll
    for (int c = 0; c < 2; c++) {
        const int i = (threadIdx.x & 31) + 32 * c;
        if (i >= d / 2) continue;
        const float a = r.low[c], b = r.high[c], co = cosine[i], si = sine[i];
        r.low[c] = __fsub_rn(__fmul_rn(a, co), __fmul_rn(b, si));
        r.high[c] = __fadd_rn(__fmul_rn(b, co), __fmul_rn(a, si));
    }
}

/* The scale of a row of int8: absmax / 127, as the engine quantises activations. */
template <class T> __device__ __forceinline__ void scale_row(warp_row &r) {
    if (!is_int8<T>::VALUE) return;
    float a = 1e-5f;
#pragma unroll
    for (int c = 0; c < 2; c++) {
        const float v = fabsf(r.low[c]), w = fabsf(r.high[c]);
        a = v > a ? v : a;
        a = w > a ? w : a;
    }
    for (int o = 16; o; o >>= 1) a = fmaxf(a, __shfl_xor_sync(~0u, a, o));
    r.to_int = __fdiv_rn(127.0f, a);
    r.scale = __fdiv_rn(a, 127.0f);
}

/* Calls put(i, narrowed) for the lane's elements. */
template <class T, class F> __device__ __forceinline__ void each_element(const warp_row &r, int d, F put) {
#pragma unroll
    for (int c = 0; c < 2; c++) {
        const int i = (threadIdx.x & 31) + 32 * c;
        if (i >= d / 2) continue;
        T low, high;
        narrow(r.low[c], r.to_int, low);
        narrow(r.high[c], r.to_int, high);
        put(i, low);
        put(i + d / 2, high);
    }
}

template <class T> __device__ __forceinline__ T *panel_of(const cache_layer &c, int group, int position) {
    return (T *)c.keys + ((size_t)group * c.positions + position / KEY_PANEL * KEY_PANEL) * c.d + position % KEY_PANEL;
}

template <class T> __device__ __forceinline__ void store_key(const cache_layer &c, int group, int position, const warp_row &r) {
    T *to = panel_of<T>(c, group, position);
    each_element<T>(r, c.d, [&](int i, T v) { to[i * KEY_PANEL] = v; });
    if (is_int8<T>::VALUE && (threadIdx.x & 31) == 0) c.key_scales[(size_t)group * c.positions + position] = r.scale;
}

template <class T> __device__ __forceinline__ void store_value(const cache_layer &c, int group, int position, const warp_row &r) {
    T *to = (T *)c.values + ((size_t)group * c.positions + position) * c.pitch;
    each_element<T>(r, c.d, [&](int i, T v) { to[i] = v; });
    if (is_int8<T>::VALUE && (threadIdx.x & 31) == 0) c.value_scales[(size_t)group * c.positions + position] = r.scale;
}

__device__ __forceinline__ float shrink_of(int d) { return __fdiv_rn(1.0f, __fsqrt_rn((float)d)); }

/* ---- many tokens: queries rotated in place, keys and values into the cache; a block a token */

template <class T> __device__ __forceinline__ void remember(const attend_args &p) {
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    const cache_layer &c = p.cache;
    const int position = p.state->position + blockIdx.x, units = c.heads + 2 * c.groups;
    float *row = p.qkv + (size_t)blockIdx.x * units * c.d;
    const float *cosine = p.cosine + (size_t)position * (c.d / 2), *sine = p.sine + (size_t)position * (c.d / 2);
    for (int u = threadIdx.x / 32; u < units; u += REMEMBER_THREADS / 32) {
        warp_row r = take_row(row + u * c.d, c.d);
        if (u < c.heads + c.groups) rotate_row(r, cosine, sine, c.d);
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

/* ---- one token of each sequence: scores of a slice of positions for one head; blockIdx.x: the heads of all sequences */

struct one_token {
    int sequence, head, group, kept; /* kept: the group among those of all sequences, as caches lie */
};
__device__ __forceinline__ one_token token_of(const cache_layer &c) {
    const int sequence = blockIdx.x / c.heads, head = blockIdx.x % c.heads, group = head / (c.heads / c.groups);
    return {sequence, head, group, sequence * c.groups + group};
}

/*
 * The slice's keys are asked for before the kernel waits for the product that it follows; what is not said yet is read too, and not used.
 * Shared memory: SCORE_SLICE keys. The block that has the token's own position puts its key among them; that of the first head of a group
 * remembers key and value.
 */
template <class T> __device__ __forceinline__ void score(const attend_args &p, T *keys) {
    __shared__ __align__(16) float q[HEAD_MOST];
    __shared__ float scales[SCORE_SLICE];
    const cache_layer &c = p.cache;
    const one_token token = token_of(c);
    const int kept = token.kept, first = blockIdx.y * SCORE_SLICE, t = threadIdx.x;
    const T *from = (const T *)c.keys + ((size_t)kept * c.positions + first) * c.d;
    for (int i = t; i < SCORE_SLICE * c.d * (int)sizeof(T) / 16; i += SCORE_THREADS) async_copy16((uint8_t *)keys + i * 16, (const uint8_t *)from + i * 16);
    async_commit();
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    const int at = p.state[token.sequence].position;
    async_wait<0>();
    if (first > at) return;
    const float *cosine = p.cosine + (size_t)at * (c.d / 2), *sine = p.sine + (size_t)at * (c.d / 2);
    const bool is_last = at < first + SCORE_SLICE, remembers = is_last && token.head % (c.heads / c.groups) == 0;
    if (is_int8<T>::VALUE)
        for (int j = t; j < SCORE_SLICE; j += SCORE_THREADS) scales[j] = first + j < at ? __ldcg(c.key_scales + (size_t)kept * c.positions + first + j) : 0.0f;
    const float *qkv = p.qkv + (size_t)token.sequence * (c.heads + 2 * c.groups) * c.d;
    __syncthreads();
    if (t < 32) {
        warp_row r = take_row(qkv + token.head * c.d, c.d);
        rotate_row(r, cosine, sine, c.d);
        const float shrink = shrink_of(c.d);
        each_element<float>(r, c.d, [&](int i, float v) { q[i] = __fmul_rn(v, shrink); });
    } else if (is_last) {
        const int own = at - first;
        warp_row r = take_row(qkv + (c.heads + token.group) * c.d, c.d);
        rotate_row(r, cosine, sine, c.d);
        scale_row<T>(r);
        T *to = keys + own / KEY_PANEL * KEY_PANEL * c.d + own % KEY_PANEL;
        each_element<T>(r, c.d, [&](int i, T v) { to[i * KEY_PANEL] = v; });
        if (is_int8<T>::VALUE && t == 32) scales[own] = r.scale;
        if (remembers) {
            store_key<T>(c, kept, at, r);
            r = take_row(qkv + (c.heads + c.groups + token.group) * c.d, c.d);
            scale_row<T>(r);
            store_value<T>(c, kept, at, r);
        }
    }
    __syncthreads();
    const int j = 2 * t; /* this thread's pair of positions */
    const several<T, 2> *pair = (const several<T, 2> *)(keys + j / KEY_PANEL * KEY_PANEL * c.d + j % KEY_PANEL);
    const float scale0 = is_int8<T>::VALUE ? scales[j] : 1, scale1 = is_int8<T>::VALUE ? scales[j + 1] : 1;
    float s0 = 0, s1 = 0;
#pragma unroll 4
    for (int i = 0; i < c.d; i += 4) {
        const float4 x = *(const float4 *)(q + i);
        const float xs[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const several<T, 2> v = pair[(i + k) * (KEY_PANEL / 2)];
            s0 = __fmaf_rn(xs[k], widen(v.v[0], scale0), s0);
            s1 = __fmaf_rn(xs[k], widen(v.v[1], scale1), s1);
        }
    }
    float *scores = p.scores + (size_t)blockIdx.x * c.positions + first;
    if (first + j <= at) scores[j] = s0;
    if (first + j + 1 <= at) scores[j + 1] = s1;
    mark(p.marks, MARK_END);
}

/* ---- one token of each sequence: softmax of a head's scores, and MIX_COLUMNS elements of its values mixed */

/* Values of a tile of positions: MIX_COLUMNS elements each; nobody waits here. */
template <class T> __device__ __forceinline__ void take_values(T *ring, const cache_layer &c, int group, int column, int tile) {
    enum { EACH = 16 / sizeof(T), PIECES = MIX_COLUMNS / EACH };
    const int first = tile * MIX_TILE;
    T *to = ring + (tile % MIX_STAGES) * MIX_TILE * MIX_COLUMNS;
    for (int i = threadIdx.x; i < MIX_TILE * PIECES && first < c.positions; i += MIX_THREADS) {
        const int j = i / PIECES, piece = i % PIECES * EACH;
        if (column + piece < c.pitch) async_copy16(to + j * MIX_COLUMNS + piece, (const T *)c.values + ((size_t)group * c.positions + first + j) * c.pitch + column + piece);
    }
    async_commit();
}

/* scores = softmax(scores), in the engine's order. */
template <int THREADS> __device__ __forceinline__ void softmax_row(float *scores, int n) {
    __shared__ float maxima[THREADS / 32], share;
    float most = scores[0];
    for (int j = threadIdx.x; j < n; j += THREADS) most = fmaxf(most, scores[j]);
    most = block_max(most, maxima);
    for (int j = threadIdx.x; j < n; j += THREADS) scores[j] = exp_same(__fsub_rn(scores[j], most));
    __syncthreads();
    if (threadIdx.x < 32) {
        float s = 0;
#pragma unroll 16
        for (int j = threadIdx.x & 15; j < n; j += 16) s = __fadd_rn(s, scores[j]);
        s = tree16(s);
        if (threadIdx.x == 0) share = __fdiv_rn(1.0f, s);
    }
    __syncthreads();
    for (int j = threadIdx.x; j < n; j += THREADS) scores[j] = __fmul_rn(scores[j], share);
    __syncthreads();
}

/* The chain over the positions of one tile; p: their shares, scales: those of int8 rows. */
template <class T> __device__ __forceinline__ float mix_tile(float y, const float *p, const float *scales, const T *v, int n) {
    int j = 0;
#pragma unroll 4
    for (; j + 4 <= n; j += 4) {
        const float4 x = *(const float4 *)(p + j);
        const float xs[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
        for (int k = 0; k < 4; k++) y = __fmaf_rn(xs[k], widen(v[(j + k) * MIX_COLUMNS], is_int8<T>::VALUE ? scales[j + k] : 1), y);
    }
    for (; j < n; j++) y = __fmaf_rn(p[j], widen(v[j * MIX_COLUMNS], is_int8<T>::VALUE ? scales[j] : 1), y);
    return y;
}

/*
 * The first tiles are asked for before the kernel waits for the scores; of what they bring only the token's own row can be old, and that
 * is read again. Shared memory: MIX_STAGES tiles, scores, for int8 the scales of the values.
 */
template <class T> __device__ __forceinline__ void mix(const attend_args &p, uint8_t *memory) {
    const cache_layer &c = p.cache;
    const one_token token = token_of(c);
    const int kept = token.kept, column = blockIdx.y * MIX_COLUMNS, t = threadIdx.x;
    T *ring = (T *)memory;
    float *scores = (float *)(memory + MIX_STAGES * MIX_TILE * MIX_COLUMNS * sizeof(T)), *scales = scores + c.positions;
    for (int tile = 0; tile < MIX_STAGES; tile++) take_values(ring, c, kept, column, tile);
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    const int at = p.state[token.sequence].position, i = column + t;
    for (int j = t; j <= at; j += MIX_THREADS) scores[j] = __ldcg(p.scores + (size_t)blockIdx.x * c.positions + j);
    if (is_int8<T>::VALUE)
        for (int j = t; j <= at; j += MIX_THREADS) scales[j] = __ldcg(c.value_scales + (size_t)kept * c.positions + j);
    T own = {};
    if (t < MIX_COLUMNS && i < c.d) own = __ldcg((const T *)c.values + ((size_t)kept * c.positions + at) * c.pitch + i);
    __syncthreads();
    softmax_row<MIX_THREADS>(scores, at + 1);
    float y = 0;
    for (int tile = 0; tile * MIX_TILE < at; tile++) {
        async_wait<MIX_STAGES - 1>();
        __syncthreads();
        const int first = tile * MIX_TILE;
        if (t < MIX_COLUMNS) y = mix_tile(y, scores + first, scales + first, ring + tile % MIX_STAGES * MIX_TILE * MIX_COLUMNS + t, min(MIX_TILE, at - first));
        __syncthreads();
        take_values(ring, c, kept, column, tile + MIX_STAGES);
    }
    if (t < MIX_COLUMNS && i < c.d) p.out[(size_t)token.sequence * p.ldo + token.head * c.d + i] = __fmaf_rn(scores[at], widen(own, is_int8<T>::VALUE ? scales[at] : 1), y);
    mark(p.marks, MARK_END);
}

/* ---- many tokens: a block takes ATTEND_ROWS rows, tokens x the heads of one group */

struct attend_memory {
    float q[HEAD_MOST][ATTEND_ROWS]; /* divided by sqrt(d) */
    float cache[HEAD_MOST * KEY_PANEL]; /* keys [i][64], or values [64][HEAD_MOST] */
    float shares[KEY_PANEL][ATTEND_ROWS];
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
#pragma unroll 2
    for (int j = warp * 4; j < end; j += 16)
#pragma unroll
        for (int k = 0; k < 4; k++) {
            float *at = scores + (size_t)(j + k) * ATTEND_ROWS;
            const float e = j + k < seen ? exp_same(__fsub_rn(*at, most)) : 0.0f;
            sums[k] = __fadd_rn(sums[k], e);
            *at = e;
        }
    for (int k = 0; k < 4; k++) m.partial[warp * 4 + k][r] = sums[k];
    __syncthreads();
    if (warp == 0) {
        float s[16];
#pragma unroll
        for (int k = 0; k < 16; k++) s[k] = m.partial[k][r];
#pragma unroll
        for (int half = 8; half; half /= 2)
#pragma unroll
            for (int k = 0; k < half; k++) s[k] = __fadd_rn(s[k], s[k + half]);
        m.share[r] = seen ? __fdiv_rn(1.0f, s[0]) : 0.0f;
    }
    __syncthreads();
}

__device__ __forceinline__ void attend_take_shares(const attend_part &a, attend_memory &m, int panel) {
    for (int x = threadIdx.x; x < KEY_PANEL * ATTEND_ROWS; x += ATTEND_THREADS)
        m.shares[x / ATTEND_ROWS][x % ATTEND_ROWS] = __fmul_rn(a.scores[(size_t)panel * KEY_PANEL * ATTEND_ROWS + x], m.share[x % ATTEND_ROWS]);
}

/* Thread t's 4 rows (t / 16 * 4) by 8 elements (t % 16 * 4, and 64 on) of y. */
__device__ __forceinline__ void attend_mix(const attend_memory &m, float (&y)[4][8], int n) {
    const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
#pragma unroll 2
    for (int j = 0; j < n; j++) {
        const float4 p = *(const float4 *)&m.shares[j][row], v = *(const float4 *)(m.cache + j * HEAD_MOST + column), w = *(const float4 *)(m.cache + j * HEAD_MOST + column + 64);
        const float ps[4] = {p.x, p.y, p.z, p.w}, vs[8] = {v.x, v.y, v.z, v.w, w.x, w.y, w.z, w.w};
#pragma unroll
        for (int r = 0; r < 4; r++)
#pragma unroll
            for (int i = 0; i < 8; i++) y[r][i] = __fmaf_rn(ps[r], vs[i], y[r][i]);
    }
}

__device__ __forceinline__ void attend_store(const attend_args &p, const attend_part &a, const float (&y)[4][8]) {
    const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4, d = p.cache.d;
#pragma unroll
    for (int x = 0; x < 4; x++) {
        const int r = row + x;
        if (r >= a.tokens * a.each) continue;
        float *out = p.out + (size_t)(a.first + r / a.each) * p.ldo + (a.group * a.each + r % a.each) * d;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const int at = column + (i & 3) + (i >> 2) * 64;
            if (at < d) out[at] = y[x][i];
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
        attend_take_shares(a, m, panel);
        __syncthreads();
        attend_mix(m, y, min(KEY_PANEL, a.end - panel * KEY_PANEL));
        __syncthreads();
    }
    attend_store(p, a, y);
    mark(p.marks, MARK_END);
}

#define CACHE_KERNELS(name, type)                                                                                    \
    extern "C" __global__ void __launch_bounds__(REMEMBER_THREADS) remember_##name(const attend_args p)              \
    {                                                                                                                \
        remember<type>(p);                                                                                           \
    }                                                                                                                \
    extern "C" __global__ void __launch_bounds__(SCORE_THREADS) score_##name(const attend_args p)                    \
    {                                                                                                                \
        DYNAMIC_SHARED(uint8_t, score_memory);                                                                       \
        score<type>(p, (type *)score_memory);                                                                        \
    }                                                                                                                \
    extern "C" __global__ void __launch_bounds__(MIX_THREADS) mix_##name(const attend_args p)                        \
    {                                                                                                                \
        DYNAMIC_SHARED(uint8_t, mix_memory);                                                                         \
        mix<type>(p, mix_memory);                                                                                    \
    }                                                                                                                \
    extern "C" __global__ void __launch_bounds__(ATTEND_THREADS, 4) attend_##name(const attend_args p)                  \
    {                                                                                                                \
        DYNAMIC_SHARED(uint8_t, attend_shared);                                                                      \
        attend<type>(p, *(attend_memory *)attend_shared);                                                            \
    }
CACHE_KERNELS(f32, float)
CACHE_KERNELS(f16, __half)
CACHE_KERNELS(i8, int8_t)

/* ---- output */

/* Larger logits, then lower rows, give larger numbers; no number gives the least. */
__device__ __forceinline__ unsigned long long order_logit(float v, int row) {
    const unsigned bits = (unsigned)__float_as_int(__fadd_rn(v, 0.0f)), order = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (unsigned long long)(v == v ? order : 0u) << 32 | (0xFFFFFFFFu - (unsigned)row);
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
 * Writes the most likely token behind the pass's and goes on. Later launches may begin only now: from here on everything before is done,
 * so that what they read before they wait (a cache's earlier positions) is whole.
 */
extern "C" __global__ void __launch_bounds__(32) next_position(const advance_args p)
{
    wait_for_earlier();
    let_later_start();
    for (int s = threadIdx.x; s < p.sequences; s += 32) {
        session_state &state = p.state[s];
        const int position = state.position + p.tokens;
        if (p.has_best) p.history[(size_t)s * p.history_pitch + position] = 0xFFFFFFFFu - (unsigned)state.best;
        state.position = position;
        state.best = 0;
    }
}
