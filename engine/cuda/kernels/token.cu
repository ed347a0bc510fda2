/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention of one token of each sequence, in the CPU's order (model/attend.h), in one launch: the heads of a group by a cluster of TOKEN_RANKS blocks,
 * which share its positions a panel of 64 in turn and its outputs a run each. Blocks write into each other's shared memory: first the largest
 * scores, then each panel's sums, which the block that owns an output adds up. Arguments: session.h.
 */
#include "panel.cuh"

#ifdef HAVE_BULK
enum { TOKEN_RANKS = 8 };
#else
enum { TOKEN_RANKS = 1 }; /* no clusters: one block does it all */
#endif

/* What a block works on; kept: the group among those of all sequences, as caches lie. */
struct token_part {
    int rank, sequence, group, kept, each, outputs, owned, first, end; /* outputs: of a group; [first, end): the block's own */
    __device__ explicit token_part(const attend_args &p) {
        const cache_layer &c = p.cache;
        owned = p.at.owned;
        rank = blockIdx.x % TOKEN_RANKS, kept = blockIdx.x / TOKEN_RANKS;
        sequence = kept / c.groups, group = kept % c.groups;
        each = c.heads / c.groups, outputs = each * c.d;
        first = rank * owned, end = min(first + owned, outputs);
    }
};

template <class T> struct token_memory {
    T *keys, *values, *own; /* slots of panels; the token's own key and value */
    float *q, *scores, *key_scales, *value_scales, *maxima, *sums, *parts, *shares; /* token_layout */
    int key_panel, value_panel;
    __device__ token_memory(uint8_t *memory, const attend_args &p) {
        const cache_layer &c = p.cache;
        const token_layout &at = p.at;
        keys = (T *)memory, values = (T *)(memory + at.values), own = (T *)(memory + at.own);
        q = (float *)(memory + at.q), scores = (float *)(memory + at.scores), key_scales = (float *)(memory + at.key_scales), value_scales = (float *)(memory + at.value_scales);
        maxima = (float *)(memory + at.maxima), sums = (float *)(memory + at.sums), parts = (float *)(memory + at.parts), shares = (float *)(memory + at.shares);
        key_panel = c.d * KEY_PANEL, value_panel = c.pitch * KEY_PANEL;
    }
    enum { SLOTS = TOKEN_SLOTS(sizeof(T)) };
    __device__ T *keys_of(int turn) const { return keys + turn % SLOTS * key_panel; }
    __device__ T *values_of(int turn) const { return values + turn % SLOTS * value_panel; }
};

/* Asks for a panel of keys, or of values, side by side in the cache from `from` on; nobody waits here. */
template <class T> __device__ __forceinline__ void take_panel(T *slot, const T *from, int elements, bool is_there) {
#pragma unroll 1
    for (int i = threadIdx.x * (16 / sizeof(T)); i < elements && is_there; i += TOKEN_THREADS * (16 / sizeof(T))) async_copy16(slot + i, from + i);
    async_commit();
}
template <class T> __device__ __forceinline__ void take_keys(const token_memory<T> &m, const cache_layer &c, const token_part &part, int turn) {
    const int at = (part.rank + turn * TOKEN_RANKS) * KEY_PANEL;
    take_panel(m.keys_of(turn), (const T *)c.keys + ((size_t)part.kept * c.positions + at) * c.d, m.key_panel, at < c.positions);
}
template <class T> __device__ __forceinline__ void take_values(const token_memory<T> &m, const cache_layer &c, const token_part &part, int turn) {
    const int at = (part.rank + turn * TOKEN_RANKS) * KEY_PANEL;
    take_panel(m.values_of(turn), (const T *)c.values + ((size_t)part.kept * c.positions + at) * c.pitch, m.value_panel, at < c.positions);
}

/*
 * What the product before made, a warp a row: queries, rotated and divided by sqrt(d); in the block that has the token's own position its key, rotated, and
 * its value, into the cache and beside it.
 */
template <class T>
__device__ __forceinline__ void take_token(const attend_args &p, const token_part &part, const token_memory<T> &m, int at, const warp_angles &angles) {
    const cache_layer &c = p.cache;
    const int key = part.each, value = key + 1, panel = at / KEY_PANEL, rows = panel % TOKEN_RANKS == part.rank ? value + 1 : key;
    const int own = panel / TOKEN_RANKS * KEY_PANEL + at % KEY_PANEL; /* among the block's positions */
    const float *qkv = p.qkv + (size_t)part.sequence * (c.heads + 2 * c.groups) * c.d, shrink = shrink_of(c.d);
#pragma unroll 1
    for (int u = threadIdx.x / 32; u < rows; u += TOKEN_THREADS / 32) {
        const int row = u < key ? part.group * part.each + u : c.heads + part.group + (u == value ? c.groups : 0);
        warp_row r = take_row(qkv + row * c.d, c.d);
        if (u < value) rotate_row(r, angles);
        if (u < key) {
            each_element<float>(r, c.d, [&](int i, float v) { m.q[u * HEAD_MOST + i] = __fmul_rn(v, shrink); });
            continue;
        }
        scale_row<T>(r);
        T *to = m.own + (u == value ? HEAD_MOST : 0);
        each_element<T>(r, c.d, [&](int i, T v) { to[i] = v; });
        if (u == key) store_key<T>(c, part.kept, at, r);
        else store_value<T>(c, part.kept, at, r);
        if (is_int8<T>::VALUE && (threadIdx.x & 31) == 0) (u == key ? m.key_scales : m.value_scales)[own] = r.scale;
    }
}

/* The token's own key, or value, into a panel that came from the cache without it; `step`: elements apart. */
template <class T> __device__ __forceinline__ void put_own(T *to, const T *own, int d, int step) {
    __syncthreads();
    if ((int)threadIdx.x < d) to[threadIdx.x * step] = own[threadIdx.x];
}

/* Scores of all the block's panels, and the largest of each head into every block's memory. */
template <class T> __device__ __forceinline__ void score_panels(const attend_args &p, const token_part &part, const token_memory<T> &m, int at) {
    const cache_layer &c = p.cache;
    enum { WARPS = TOKEN_THREADS / 32 };
    const int warp = threadIdx.x / 32, lane = threadIdx.x & 31, stride = p.at.stride;
    float *largest = m.shares; /* of the warp's heads; shares come later */
    for (int h = warp + lane * WARPS; h < part.each; h += 32 * WARPS) largest[h] = -__int_as_float(0x7f800000);
    __syncwarp();
#pragma unroll 1
    for (int panel = part.rank, turn = 0; panel * KEY_PANEL <= at; panel += TOKEN_RANKS, turn++) {
        const int n = at - panel * KEY_PANEL + 1;
        async_wait<token_memory<T>::SLOTS - 1>();
        if (n <= KEY_PANEL) put_own(m.keys_of(turn) + at % KEY_PANEL, m.own, c.d, KEY_PANEL); /* the last */
        __syncthreads();
#pragma unroll 1
        for (int h = warp; h < part.each; h += WARPS) {
            const float most = score_panel<T>(m.q + h * HEAD_MOST, m.keys_of(turn), m.key_scales + turn * KEY_PANEL, m.scores + h * stride + turn * KEY_PANEL, c.d, n);
            if (lane == 0) largest[h] = fmaxf(largest[h], most);
        }
        __syncthreads();
        take_keys(m, c, part, turn + token_memory<T>::SLOTS);
    }
    __syncwarp();
    cluster_wait(); /* every block has begun */
#pragma unroll 1
    for (int h = warp; h < part.each; h += WARPS)
        if (lane < TOKEN_RANKS) *in_block(m.maxima + part.rank * part.each + h, lane) = largest[h];
}

/* Where in a block's memory the 16 sums of head h in a panel are; of heads only those that the block has outputs of. */
__device__ __forceinline__ int token_sum(const attend_args &p, int panel, int h, int rank) { return (panel * p.at.heads + h - rank * p.at.owned / p.cache.d) * 16; }

/* Scores to weights, a warp a head; each panel's, halved to 16 sums, to the blocks that own outputs of the head. */
template <class T> __device__ __forceinline__ void weigh_panels(const attend_args &p, const token_part &part, const token_memory<T> &m, int at) {
    const int lane = threadIdx.x & 31, d = p.cache.d;
#pragma unroll 1
    for (int h = threadIdx.x / 32; h < part.each; h += TOKEN_THREADS / 32) {
        float most = m.maxima[h], *scores = m.scores + h * p.at.stride;
#pragma unroll
        for (int rank = 1; rank < TOKEN_RANKS; rank++) most = fmaxf(most, m.maxima[rank * part.each + h]);
#pragma unroll 1
        for (int panel = part.rank; panel * KEY_PANEL <= at; panel += TOKEN_RANKS, scores += KEY_PANEL) {
            const float low = exp_same(__fsub_rn(scores[lane], most)), high = exp_same(__fsub_rn(scores[lane + 32], most));
            scores[lane] = low, scores[lane + 32] = high;
            float s = __fadd_rn(low, high);
            s = __fadd_rn(s, __shfl_xor_sync(~0u, s, 16));
#pragma unroll 1
            for (int rank = h * d / part.owned; rank <= (h * d + d - 1) / part.owned; rank++)
                if (lane < 16) in_block(m.sums, rank)[token_sum(p, panel, h, rank) + lane] = s;
        }
    }
}

/* Sums of the block's panels, two outputs a thread, to the blocks that own them. */
template <class T> __device__ __forceinline__ void mix_panels(const attend_args &p, const token_part &part, const token_memory<T> &m, int at) {
    const cache_layer &c = p.cache;
    const int owned = part.owned, stride = p.at.stride;
#pragma unroll 1
    for (int panel = part.rank, turn = 0; panel * KEY_PANEL <= at; panel += TOKEN_RANKS, turn++) {
        const int n = min(KEY_PANEL, at - panel * KEY_PANEL + 1);
        async_wait<token_memory<T>::SLOTS - 1>();
        if (n == at - panel * KEY_PANEL + 1) put_own(m.values_of(turn) + at % KEY_PANEL * c.pitch, m.own + HEAD_MOST, c.d, 1);
        __syncthreads();
#pragma unroll 1
        for (int o = 2 * threadIdx.x; o < part.outputs; o += 2 * TOKEN_THREADS) {
            const float *weights = m.scores + o / c.d * stride + turn * KEY_PANEL, *scales = m.value_scales + turn * KEY_PANEL;
            *(several<float, 2> *)(in_block(m.parts, o / owned) + panel * owned + o % owned) = mix_panel(weights, scales, m.values_of(turn) + o % c.d, c.pitch, n);
        }
        __syncthreads();
        take_values(m, c, part, turn + token_memory<T>::SLOTS);
    }
}

/* The outputs that the block owns: the panels' sums in their order, times one over the sum of the weights. */
template <class T> __device__ __forceinline__ void finish_outputs(const attend_args &p, const token_part &part, const token_memory<T> &m, int at) {
    const int d = p.cache.d, owned = part.owned, panels = at / KEY_PANEL + 1, lane = threadIdx.x & 31;
#pragma unroll 1
    for (int h = part.first / d + threadIdx.x / 32; h * d < part.end; h += TOKEN_THREADS / 32) {
        float s = 0;
#pragma unroll 8
        for (int panel = 0; panel < panels; panel++) s = __fadd_rn(s, m.sums[token_sum(p, panel, h, part.rank) + (lane & 15)]);
        s = tree16(s);
        if (lane == 0) m.shares[h] = __fdiv_rn(1.0f, s);
    }
    __syncthreads();
#pragma unroll 1
    for (int o = part.first + threadIdx.x; o < part.end; o += TOKEN_THREADS) {
        float y = 0;
#pragma unroll 8
        for (int panel = 0; panel < panels; panel++) y = __fadd_rn(y, m.parts[panel * owned + o - part.first]);
        p.out[(size_t)part.sequence * p.ldo + part.group * part.outputs + o] = __fmul_rn(y, m.shares[o / d]);
    }
}

/* Scales of the block's earlier positions, of int8 rows. */
template <class T> __device__ __forceinline__ void take_scales(const attend_args &p, const token_part &part, const token_memory<T> &m, int at) {
    if (!is_int8<T>::VALUE) return;
    const size_t kept = (size_t)part.kept * p.cache.positions;
#pragma unroll 1
    for (int j = threadIdx.x; j < p.at.stride; j += TOKEN_THREADS) {
        const int position = (part.rank + j / KEY_PANEL * TOKEN_RANKS) * KEY_PANEL + j % KEY_PANEL;
        if (position >= at) continue;
        m.key_scales[j] = __ldcg(p.cache.key_scales + kept + position);
        m.value_scales[j] = __ldcg(p.cache.value_scales + kept + position);
    }
}

/*
 * Where the sequence stands, and the first panels, are asked for before the kernel waits for the product that it follows: of what they bring only the
 * token's own row is not said yet, and that comes from the product. Nothing else writes them after next_position.
 */
template <class T> __device__ __forceinline__ void attend_token(const attend_args &p, uint8_t *memory) {
    const cache_layer &c = p.cache;
    const token_part part(p);
    const token_memory<T> m(memory, p);
#pragma unroll 1
    for (int turn = 0; turn < m.SLOTS; turn++) take_values(m, c, part, turn);
#pragma unroll 1
    for (int turn = 0; turn < m.SLOTS; turn++) take_keys(m, c, part, turn);
    cluster_arrive();
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    const int at = __ldcg(&p.state[part.sequence].position);
    const warp_angles angles = take_angles(p, at);
    take_scales<T>(p, part, m, at);
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    take_token(p, part, m, at, angles);
    score_panels(p, part, m, at);
    cluster_arrive();
    cluster_wait();
    weigh_panels(p, part, m, at);
    mix_panels(p, part, m, at);
    cluster_arrive();
    cluster_wait();
    finish_outputs(p, part, m, at);
    mark(p.marks, MARK_END);
}

#define TOKEN_KERNELS(name, type)                                                                                    \
    extern "C" __global__ void IN_CLUSTERS(TOKEN_RANKS) __launch_bounds__(TOKEN_THREADS) token_##name(const attend_args p) \
    {                                                                                                                \
        DYNAMIC_SHARED(uint8_t, token_shared);                                                                       \
        attend_token<type>(p, token_shared);                                                                         \
    }
EACH_CACHE(TOKEN_KERNELS)
