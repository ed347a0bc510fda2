/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention of one token of each sequence: scores, softmax, values, in the CPU's order (model/attend.h). Arguments: session.h.
 */
#include "cache.cuh"

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

/* Panels of values on their way to a warp. */
template <class T> struct mix_slots {
    enum { SLOTS = MIX_RING_BYTES / (MIX_WARPS * KEY_PANEL * MIX_COLUMNS * (int)sizeof(T)) };
};

/* The values of a panel of positions, MIX_COLUMNS elements each, into a warp's slot; nobody waits here. */
template <class T> __device__ __forceinline__ void take_values(T *slot, const cache_layer &c, int group, int column, int panel) {
    enum { EACH = 16 / sizeof(T), PIECES = MIX_COLUMNS / EACH };
    const int first = panel * KEY_PANEL;
    for (int i = threadIdx.x & 31; i < KEY_PANEL * PIECES && first < c.positions; i += 32) {
        const int j = i / PIECES, piece = i % PIECES * EACH;
        if (column + piece < c.pitch) async_copy16(slot + j * MIX_COLUMNS + piece, (const T *)c.values + ((size_t)group * c.positions + first + j) * c.pitch + column + piece);
    }
    async_commit();
}

/* scores = softmax(scores), in the engine's order. */
template <int THREADS> __device__ __forceinline__ void softmax_row(float *scores, int n) {
    __shared__ float share;
    float most = scores[0];
    for (int j = threadIdx.x; j < n; j += THREADS) most = fmaxf(most, scores[j]);
    most = block_max<THREADS / 32>(most);
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

/* The chain over the first n positions of a panel; p: their shares, scales: those of int8 rows. Eight at a time, so that the chain does not wait for the
 * loads. */
template <class T> __device__ __forceinline__ float mix_panel(const float *p, const float *scales, const T *v, int n) {
    float y = 0;
    int j = 0;
#pragma unroll 2
    for (; j + 8 <= n; j += 8) {
        const float4 low = *(const float4 *)(p + j), high = *(const float4 *)(p + j + 4);
        const float xs[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
        float w[8];
#pragma unroll
        for (int k = 0; k < 8; k++) w[k] = widen(v[(j + k) * MIX_COLUMNS], is_int8<T>::VALUE ? scales[j + k] : 1);
#pragma unroll
        for (int k = 0; k < 8; k++) y = __fmaf_rn(xs[k], w[k], y);
    }
    for (; j < n; j++) y = __fmaf_rn(p[j], widen(v[j * MIX_COLUMNS], is_int8<T>::VALUE ? scales[j] : 1), y);
    return y;
}

/* Shared memory of a block: panels of values on their way, sums of panels, scores, for int8 the scales of the values. */
template <class T> struct mix_memory {
    T *ring;
    float *sums, *scores, *scales;
    __device__ mix_memory(uint8_t *memory, const cache_layer &c) {
        ring = (T *)memory + (threadIdx.x >> 5) * mix_slots<T>::SLOTS * KEY_PANEL * MIX_COLUMNS;
        sums = (float *)(memory + MIX_RING_BYTES);
        scores = sums + c.positions / KEY_PANEL * MIX_COLUMNS;
        scales = scores + c.positions;
    }
    __device__ T *slot(int turn) const { return ring + turn % mix_slots<T>::SLOTS * KEY_PANEL * MIX_COLUMNS; }
};

/* Each warp's panels, a lane a column: every MIX_WARPSth from its own on. `own`: the value of position `at` itself. */
template <class T> __device__ __forceinline__ void mix_panels(const mix_memory<T> &m, const cache_layer &c, int group, int column, int at, T own) {
    enum { SLOTS = mix_slots<T>::SLOTS };
    const int lane = threadIdx.x & 31;
    for (int panel = threadIdx.x >> 5, turn = 0; panel * KEY_PANEL <= at; panel += MIX_WARPS, turn++) {
        const int first = panel * KEY_PANEL, n = min(KEY_PANEL, at - first);
        async_wait<SLOTS - 1>();
        __syncwarp();
        float y = mix_panel(m.scores + first, m.scales + first, m.slot(turn) + lane, n);
        if (n < KEY_PANEL) y = __fmaf_rn(m.scores[at], widen(own, is_int8<T>::VALUE ? m.scales[at] : 1), y);
        m.sums[panel * MIX_COLUMNS + lane] = y;
        __syncwarp();
        take_values(m.slot(turn), c, group, column, panel + SLOTS * MIX_WARPS);
    }
}

/*
 * The first panels are asked for before the kernel waits for the scores; of what they bring only the token's own row can be old, and that
 * is read again.
 */
template <class T> __device__ __forceinline__ void mix(const attend_args &p, uint8_t *memory) {
    const cache_layer &c = p.cache;
    const one_token token = token_of(c);
    const int kept = token.kept, column = blockIdx.y * MIX_COLUMNS, t = threadIdx.x, lane = t & 31, i = column + lane;
    const mix_memory<T> m(memory, c);
    for (int turn = 0; turn < mix_slots<T>::SLOTS; turn++) take_values(m.slot(turn), c, kept, column, (t >> 5) + turn * MIX_WARPS);
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    const int at = p.state[token.sequence].position;
    for (int j = t; j <= at; j += MIX_THREADS) m.scores[j] = __ldcg(p.scores + (size_t)blockIdx.x * c.positions + j);
    if (is_int8<T>::VALUE)
        for (int j = t; j <= at; j += MIX_THREADS) m.scales[j] = __ldcg(c.value_scales + (size_t)kept * c.positions + j);
    T own = {};
    if (i < c.d) own = __ldcg((const T *)c.values + ((size_t)kept * c.positions + at) * c.pitch + i);
    __syncthreads();
    softmax_row<MIX_THREADS>(m.scores, at + 1);
    mark(p.marks, MARK_NORM);
    mix_panels(m, c, kept, column, at, own);
    __syncthreads();
    if (t < MIX_COLUMNS && i < c.d) {
        float y = 0;
#pragma unroll 4
        for (int panel = 0; panel * KEY_PANEL <= at; panel++) y = __fadd_rn(y, m.sums[panel * MIX_COLUMNS + lane]);
        p.out[(size_t)token.sequence * p.ldo + token.head * c.d + i] = y;
    }
    mark(p.marks, MARK_END);
}

#define TOKEN_KERNELS(name, type)                                                                  \
    extern "C" __global__ void __launch_bounds__(SCORE_THREADS) score_##name(const attend_args p) \
    {                                                                                             \
        DYNAMIC_SHARED(uint8_t, score_memory);                                                    \
        score<type>(p, (type *)score_memory);                                                     \
    }                                                                                             \
    extern "C" __global__ void __launch_bounds__(MIX_THREADS) mix_##name(const attend_args p)     \
    {                                                                                             \
        DYNAMIC_SHARED(uint8_t, mix_shared);                                                      \
        mix<type>(p, mix_shared);                                                                 \
    }
EACH_CACHE(TOKEN_KERNELS)
