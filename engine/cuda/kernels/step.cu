/* SPDX-License-Identifier: Apache-2.0
 *
 * A decode step in one launch (step.h). Blocks run together, one a multiprocessor, and meet only where a number is needed: who needs it reads
 * its word until it carries this layer's number. Floats are summed in the engine's one order, as in decode.cu.
 */
#include "step.h"

#ifdef HAVE_BULK

struct step_memory {
    unsigned ring, full, empty;
    float *maxima, *factor, *x, *squares, *queries, *scores;
    int *total, *sums; /* sum of q by the phase's parity; sums of the block's tiles */
    int8_t *q;
    __half *own;
    step_copy *ahead;
    __device__ step_memory(const step_args &p, uint8_t *memory) {
        const step_layout l = step_lay(p.width, p.ffn, p.head, p.heads / p.groups, p.context);
        ring = shared_address(memory), full = ring + l.full, empty = ring + l.empty;
        maxima = (float *)(memory + l.small), factor = maxima + 16, total = (int *)(maxima + 20);
        sums = (int *)(memory + l.sums), x = (float *)(memory + l.x), q = (int8_t *)(memory + l.q), squares = (float *)(memory + l.squares);
        queries = (float *)(memory + l.queries), own = (__half *)(memory + l.own), scores = (float *)(memory + l.scores);
        ahead = (step_copy *)(memory + l.ahead);
    }
};

/* What a block goes by. */
struct step_state {
    int block, blocks, chunk; /* the next copy it uses */
    unsigned epoch;
    int parity;
};

__device__ __forceinline__ void step_sync() { part_sync(1, STEP_THREADS); }
__device__ __forceinline__ void step_mark(const step_args &p, int layer, int i) {
    if (p.marks && threadIdx.x == 0) p.marks[((size_t)blockIdx.x * (p.layers + 1) + layer) * STEP_MARKS + i] = card_time();
}

/* ---- the ring */

__device__ __forceinline__ void step_await(const step_memory &m, int chunk) { barrier_wait(m.full + chunk % STEP_SLOTS * 8, chunk / STEP_SLOTS & 1); }
__device__ __forceinline__ unsigned step_slot(const step_memory &m, int chunk) { return m.ring + chunk % STEP_SLOTS * STEP_SLOT_BYTES; }
__device__ __forceinline__ void step_free(const step_memory &m, int chunk) { barrier_arrive(m.empty + chunk % STEP_SLOTS * 8); }

/* After everybody is done with them: one warp gives the slots of n copies back. */
__device__ __forceinline__ void step_give_back(const step_memory &m, int chunk, int n) {
    if (threadIdx.x / 32 == STEP_WARPS - 1)
        for (int i = threadIdx.x & 31; i < n; i += 32) step_free(m, chunk + i);
}

/* The copying warp: lane i fills slot i for as long as the block's list goes on. It has the list's next entries in shared memory, so that no
 * copy waits for its own address; the lanes stay together, or each would be waited for in turn. */
__device__ __forceinline__ void step_fill(const step_args &p, const step_memory &m) {
    const int lane = threadIdx.x & 31;
    const step_copy *list = p.copies + (size_t)blockIdx.x * p.per_block + lane;
    step_copy *ahead = m.ahead + lane;
    unsigned round = 0;
    for (int i = 0; i < STEP_AHEAD; i++, list += STEP_SLOTS) async_copy16(ahead + i * STEP_SLOTS, list), async_commit();
    async_wait<STEP_AHEAD - 1>();
    step_copy next = ahead[0];
    while (__any_sync(~0u, next.bytes != 0)) {
        if (next.bytes && (!round || barrier_test(m.empty + lane * 8, (round - 1) & 1))) {
            barrier_expect(m.full + lane * 8, next.bytes);
            bulk_copy(m.ring + lane * STEP_SLOT_BYTES, (const void *)next.from, next.bytes, m.full + lane * 8);
            async_copy16(ahead + round % STEP_AHEAD * STEP_SLOTS, list);
            async_commit();
            list += STEP_SLOTS, round++;
            async_wait<STEP_AHEAD - 1>();
            next = ahead[round % STEP_AHEAD * STEP_SLOTS];
        }
        __syncwarp();
    }
}

/* ---- numbers on their way */

template <int PAIRS> struct step_row {
    float v[PAIRS][2];
    /* Elements 2 i, 2 i + 1 for i = thread, thread + STEP_THREADS, …; waits until all are of this epoch. */
    __device__ __forceinline__ void receive(const uint64_t *box, int n, unsigned epoch) {
        bool all;
        do {
            all = true;
#pragma unroll
            for (int j = 0; j < PAIRS; j++) {
                const int i = threadIdx.x + j * STEP_THREADS;
                if (2 * i >= n) continue;
                uint64_t a, b;
                box_load2(box + 2 * i, a, b);
                all = all && (unsigned)(a >> 32) == epoch && ((unsigned)(b >> 32) == epoch || 2 * i + 1 == n);
                v[j][0] = __int_as_float((int)a), v[j][1] = __int_as_float((int)b);
            }
        } while (!all);
    }
};
__device__ __forceinline__ float step_receive(const uint64_t *box, unsigned epoch) {
    uint64_t a;
    do a = box_load(box);
    while ((unsigned)(a >> 32) != epoch);
    return __int_as_float((int)a);
}
__device__ __forceinline__ void step_send(uint64_t *box, float v, unsigned epoch) { box_store(box, (uint64_t)epoch << 32 | (unsigned)__float_as_int(v)); }

/* ---- norms */

/* factor = 1 / sqrt(mean of squares + eps), in the engine's order, by the first warp. */
__device__ __forceinline__ void step_factor(const step_args &p, const step_memory &m, int n) {
    if (threadIdx.x >= 32) return;
    const float s = tree16(partial_sum<false>(m.squares + (threadIdx.x & 15) * step_stride(n), n / 16));
    if (threadIdx.x == 0) *m.factor = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(s, (float)n), p.eps)));
}

/* Where element k of x lies for a product: what a lane multiplies with a quad, side by side. */
__device__ __forceinline__ int step_place(int k) { return (k & ~127) + (k >> 2 & 3) * 32 + (k >> 4 & 7) * 4 + (k & 3); }

__device__ __forceinline__ int step_round(float v) { return !(v > -128.0f) ? -128 : v > 127.0f ? 127 : __float2int_rn(v); }

/* q = quantise(norm(row) * w) into shared memory, where a product reads it (or in plain order, for the logits); gives the scale. */
template <int PAIRS> __device__ __forceinline__ float step_norm_row(const step_args &p, const step_memory &m, step_state &s, step_row<PAIRS> &row, const float (&w)[PAIRS][2], int n, bool is_plain) {
    const int t = threadIdx.x, stride = step_stride(n), padded = step_quads(n) * 128;
#pragma unroll
    for (int j = 0; j < PAIRS; j++) {
        const int i = 2 * (t + j * STEP_THREADS);
        if (i >= n) continue;
        float *to = m.squares + i % 16 * stride + i / 16;
        to[0] = __fmul_rn(row.v[j][0], row.v[j][0]);
        to[stride] = __fmul_rn(row.v[j][1], row.v[j][1]);
    }
    s.parity ^= 1;
    if (t == 0) m.total[s.parity] = 0;
    step_sync();
    step_factor(p, m, n);
    step_sync();
    const float r = *m.factor;
    float a = 1e-5f;
#pragma unroll
    for (int j = 0; j < PAIRS; j++) {
        if (2 * (t + j * STEP_THREADS) >= n) continue;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            row.v[j][h] = __fmul_rn(__fmul_rn(row.v[j][h], r), w[j][h]);
            const float v = fabsf(row.v[j][h]);
            a = v > a ? v : a;
        }
    }
    a = __int_as_float((int)__reduce_max_sync(~0u, (unsigned)__float_as_int(a)));
    if ((t & 31) == 0) m.maxima[t >> 5] = a;
    step_sync();
#pragma unroll
    for (int i = 0; i < STEP_WARPS; i++) a = fmaxf(a, m.maxima[i]);
    const float to_int = __fdiv_rn(127.0f, a);
    int sum = 0;
#pragma unroll
    for (int j = 0; j < PAIRS; j++) {
        const int i = 2 * (t + j * STEP_THREADS);
        if (i >= padded) continue;
        const int q0 = i < n ? step_round(__fmul_rn(row.v[j][0], to_int)) : 0, q1 = i < n ? step_round(__fmul_rn(row.v[j][1], to_int)) : 0;
        sum += q0 + q1;
        *(uint16_t *)(m.q + (is_plain ? i : step_place(i))) = (uint16_t)((q0 & 255) | (q1 & 255) << 8);
    }
    sum = __reduce_add_sync(~0u, sum);
    if ((t & 31) == 0) atomicAdd(m.total + s.parity, sum);
    step_sync();
    return __fdiv_rn(a, 127.0f);
}

template <int PAIRS> __device__ __forceinline__ void step_weights(float (&w)[PAIRS][2], const float *from, int n) {
#pragma unroll
    for (int j = 0; j < PAIRS; j++) {
        const int i = 2 * (threadIdx.x + j * STEP_THREADS);
        w[j][0] = i < n ? from[i] : 0.0f, w[j][1] = i < n ? from[i + 1] : 0.0f;
    }
}

/* The norm of the residual, to which the numbers in `box` are added first (null: it is the embedding). */
__device__ __forceinline__ float step_norm_residual(const step_args &p, const step_memory &m, step_state &s, const uint64_t *box, unsigned epoch, const float *weights, bool is_plain) {
    step_row<STEP_SHORT> row;
    float w[STEP_SHORT][2];
    step_weights(w, weights, p.width);
    if (box) row.receive(box, p.width, epoch);
#pragma unroll
    for (int j = 0; j < STEP_SHORT; j++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int i = 2 * (threadIdx.x + j * STEP_THREADS) + h;
            if (i >= p.width) continue;
            if (!box) row.v[j][h] = __fmul_rn(p.scales[p.token], (float)p.rows[(size_t)p.token * p.width + i]);
            else row.v[j][h] = __fadd_rn(m.x[i], row.v[j][h]);
            m.x[i] = row.v[j][h];
        }
    return step_norm_row(p, m, s, row, w, p.width, is_plain);
}

template <int PAIRS> __device__ __forceinline__ float step_norm_plain(const step_args &p, const step_memory &m, step_state &s, const uint64_t *box, int n, const float *weights) {
    step_row<PAIRS> row;
    float w[PAIRS][2];
    step_weights(w, weights, n);
    row.receive(box, n, s.epoch);
    return step_norm_row(p, m, s, row, w, n, false);
}

/* ---- products */

/* One unit: the four fields of a byte stay where they are, each with sums of its own, 4^f times too large. */
__device__ __forceinline__ void step_unit(int (&c)[4][4], unsigned at, const int8_t *x) {
    const uint4 v = load_shared(at), lower = *(const uint4 *)x, upper = *(const uint4 *)(x + 16);
    const unsigned b[8] = {lower.x, lower.y, lower.z, lower.w, upper.x, upper.y, upper.z, upper.w};
#pragma unroll
    for (int f = 0; f < 4; f++) {
        const unsigned mask = 0x03030303u << 2 * f, a[4] = {v.x & mask, v.y & mask, v.z & mask, v.w & mask};
        mma_16x8x32_codes(c[f], a, b[2 * f], b[2 * f + 1]);
    }
}

__device__ __forceinline__ void step_flush(int (&c)[4][4], int *sums) {
    const int lane = threadIdx.x & 31;
    if ((lane & 3) == 0)
#pragma unroll
        for (int h = 0; h < 2; h++) atomicAdd(sums + lane / 4 + 8 * h, c[0][2 * h] + (c[1][2 * h] >> 2) + (c[2][2 * h] >> 4) + (c[3][2 * h] >> 6));
#pragma unroll
    for (int f = 0; f < 4; f++)
#pragma unroll
        for (int i = 0; i < 4; i++) c[f][i] = 0;
}

/* Adds the block's `tiles` tiles from copy `chunk` on to m.sums; the warps share their units evenly. */
__device__ __forceinline__ void step_product(const step_memory &m, int chunk, int tiles, int quads) {
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, piece = step_piece(quads), pieces = step_pieces(quads);
    const step_range mine = step_share(tiles * quads, warp, STEP_WARPS);
    int c[4][4] = {};
    for (int u = mine.first; u < mine.end;) {
        const int tile = u / quads, q = u % quads, part = q / piece, n = min(mine.end - u, min((part + 1) * piece, quads) - q), at = chunk + tile * pieces + part;
        const unsigned w = step_slot(m, at) + (q - part * piece) * CUDA_TILE_BYTES + lane * 16;
        const int8_t *x = m.q + q * CUDA_QUAD + (lane & 3) * 32;
        step_await(m, at);
#pragma unroll 2
        for (int i = 0; i < n; i++) step_unit(c, w + i * CUDA_TILE_BYTES, x + i * CUDA_QUAD);
        u += n;
        if (u == mine.end || u % quads == 0) step_flush(c, m.sums + tile * CUDA_TILE_ROWS);
    }
}

/* What the block's tiles come to: the sum of output `i` of the block, taken out of m.sums. */
__device__ __forceinline__ float step_take(const step_memory &m, const step_state &s, int i, float factor) {
    const int sum = m.sums[i] - m.total[s.parity];
    m.sums[i] = 0;
    return __fmul_rn((float)sum, factor);
}

/* box[n] = W q for the block's tiles of a matrix of `tiles` tiles and `quads` quads. */
__device__ __forceinline__ void step_matrix(const step_args &p, const step_memory &m, step_state &s, int layer, enum step_part part, int tiles, int quads, float scale, uint64_t *box) {
    const step_range mine = step_share(tiles, step_turn(s.block, s.blocks, layer, part), s.blocks);
    const int n = mine.end - mine.first, copies = n * step_pieces(quads);
    step_product(m, s.chunk, n, quads);
    step_sync();
    if ((int)threadIdx.x < n * CUDA_TILE_ROWS) step_send(box + mine.first * CUDA_TILE_ROWS + threadIdx.x, step_take(m, s, threadIdx.x, __fmul_rn(p.scale, scale)), s.epoch);
    step_give_back(m, s.chunk, copies);
    s.chunk += copies;
}

/* gated = relu(gate)^2 * up for the block's pairs of tiles. */
__device__ __forceinline__ void step_gate(const step_args &p, const step_memory &m, step_state &s, int layer, float scale) {
    const int quads = step_quads(p.width);
    const step_range mine = step_share(p.ffn / CUDA_TILE_ROWS, step_turn(s.block, s.blocks, layer, STEP_gate_up), s.blocks);
    const int n = mine.end - mine.first, copies = 2 * n * step_pieces(quads), t = threadIdx.x;
    const float factor = __fmul_rn(p.scale, scale);
    step_product(m, s.chunk, 2 * n, quads);
    step_sync();
    if (t < n * CUDA_TILE_ROWS) {
        const int at = t / CUDA_TILE_ROWS * 2 * CUDA_TILE_ROWS + t % CUDA_TILE_ROWS;
        const float g = fmaxf(step_take(m, s, at, factor), 0.0f), up = step_take(m, s, at + CUDA_TILE_ROWS, factor);
        step_send(p.gated + mine.first * CUDA_TILE_ROWS + t, __fmul_rn(__fmul_rn(g, g), up), s.epoch);
    }
    step_give_back(m, s.chunk, copies);
    s.chunk += copies;
}

/* ---- attention */

/* Halves (i, i + D/2) of a head at `box`, rotated. */
template <int D> __device__ __forceinline__ void step_rotate(const step_args &p, const uint64_t *box, int i, unsigned epoch, float &low, float &high) {
    const float c = p.cosine[i], s = p.sine[i];
    uint64_t x, y;
    do x = box_load(box + i), y = box_load(box + i + D / 2);
    while ((unsigned)(x >> 32) != epoch || (unsigned)(y >> 32) != epoch);
    const float a = __int_as_float((int)x), b = __int_as_float((int)y);
    low = __fsub_rn(__fmul_rn(a, c), __fmul_rn(b, s));
    high = __fadd_rn(__fmul_rn(b, c), __fmul_rn(a, s));
}

/* Queries of the group into shared memory, in the keys' order; the token's own key, and its place in the cache for whoever has its slice. */
template <int D> __device__ __forceinline__ void step_take_heads(const step_args &p, const step_memory &m, const step_state &s, int layer, int group, bool is_last) {
    const int each = p.heads / p.groups, t = threadIdx.x, at = p.context - 1, half = D / 2, place = D / 16;
    const size_t row = ((size_t)layer * p.groups + group) * p.context + at;
    float low, high;
    for (int i = t; i < each * half; i += STEP_THREADS) {
        float *to = m.queries + i / half * D;
        const int e = i % half;
        step_rotate<D>(p, p.wide + (group * each + i / half) * D, e, s.epoch, low, high);
        to[e % 16 * place + e / 16] = low, to[(e + half) % 16 * place + (e + half) / 16] = high;
    }
    if (!is_last) return;
    const int k = t - (STEP_THREADS - half), v = t - (STEP_THREADS - half - D);
    if (k >= 0) {
        step_rotate<D>(p, p.wide + (p.heads + group) * D, k, s.epoch, low, high);
        const int a = k % 16 * place + k / 16, b = (k + half) % 16 * place + (k + half) / 16;
        m.own[a] = __float2half_rn(low), m.own[b] = __float2half_rn(high);
        ((__half *)p.keys)[row * D + a] = m.own[a], ((__half *)p.keys)[row * D + b] = m.own[b];
    } else if (v >= 0) {
        const size_t slice = ((size_t)layer * p.groups + group) * (D / STEP_SLICE) + v / STEP_SLICE;
        ((__half *)p.values)[(slice * p.context + at) * STEP_SLICE + v % STEP_SLICE] = __float2half_rn(step_receive(p.wide + (p.heads + p.groups + group) * D + v, s.epoch));
    }
}

/* The scores of one position for every head of the group, by sixteen lanes. */
template <int D> __device__ __forceinline__ void step_score(const step_args &p, const step_memory &m, const step_state &s, int group, int position, const __half *key, bool is_mine) {
    const int each = p.heads / p.groups, lane16 = threadIdx.x & 15;
    const float shrink = __fdiv_rn(1.0f, __fsqrt_rn((float)D));
    float k[D / 16];
#pragma unroll
    for (int c = 0; c < D / 16; c++) k[c] = __half2float(key[lane16 * (D / 16) + c]);
#pragma unroll 4
    for (int h = 0; h < each; h++) {
        const float *q = m.queries + h * D + lane16 * (D / 16);
        float sum = 0;
#pragma unroll
        for (int c = 0; c < D / 16; c++) sum = __fadd_rn(sum, __fmul_rn(q[c], k[c]));
        sum = tree16(sum);
        if (lane16 == 0 && is_mine) step_send(p.scores + (group * each + h) * step_score_stride(p.context) + position, __fmul_rn(sum, shrink), s.epoch);
    }
}

/* scores of the block's slice of positions. */
template <int D> __device__ __forceinline__ void step_scores(const step_args &p, const step_memory &m, step_state &s, int layer, uint8_t *memory) {
    const int slices = step_slices(s.blocks, p.groups), turn = step_turn(s.block, s.blocks, layer, STEP_scores), group = turn / slices, room = step_keys_a_slot(D);
    if (group >= p.groups) return;
    const step_range mine = step_positions(p.context, turn % slices, slices);
    const int n = mine.end - mine.first, copies = (n + room - 1) / room, at = p.context - 1;
    if (!n) return;
    step_take_heads<D>(p, m, s, layer, group, mine.end == p.context);
    step_sync();
    for (int i0 = 0; i0 < n; i0 += STEP_WARPS * 2) {
        const int i = min(i0 + (int)threadIdx.x / 16, n - 1), chunk = s.chunk + i / room;
        step_await(m, chunk);
        const __half *key = mine.first + i == at ? m.own : (const __half *)(memory + chunk % STEP_SLOTS * STEP_SLOT_BYTES) + i % room * D;
        step_score<D>(p, m, s, group, mine.first + i, key, i0 + (int)threadIdx.x / 16 < n);
    }
    step_sync();
    step_give_back(m, s.chunk, copies);
    s.chunk += copies;
}

/* scores = softmax(the head's scores), in the engine's order. */
__device__ __forceinline__ void step_softmax(const step_args &p, const step_memory &m, const step_state &s, int head) {
    const int t = threadIdx.x, n = p.context;
    const uint64_t *box = p.scores + head * step_score_stride(n);
    float most = -INFINITY;
    for (int first = 0; first < n; first += 2 * STEP_SHORT * STEP_THREADS) {
        step_row<STEP_SHORT> row;
        row.receive(box + first, n - first, s.epoch);
#pragma unroll
        for (int j = 0; j < 2 * STEP_SHORT; j++) {
            const int i = first + 2 * (t + j / 2 * STEP_THREADS) + j % 2;
            if (i >= n) continue;
            m.scores[i] = row.v[j / 2][j % 2];
            most = fmaxf(most, row.v[j / 2][j % 2]);
        }
    }
    for (int o = 16; o; o >>= 1) most = fmaxf(most, __shfl_xor_sync(~0u, most, o));
    if ((t & 31) == 0) m.maxima[t >> 5] = most;
    step_sync();
#pragma unroll
    for (int i = 0; i < STEP_WARPS; i++) most = fmaxf(most, m.maxima[i]);
    for (int j = t; j < n; j += STEP_THREADS) m.scores[j] = exp_same(__fsub_rn(m.scores[j], most));
    step_sync();
    if (t < 32) {
        float sum = 0;
#pragma unroll 16
        for (int j = t & 15; j < n; j += 16) sum = __fadd_rn(sum, m.scores[j]);
        sum = tree16(sum);
        if (t == 0) *m.factor = __fdiv_rn(1.0f, sum);
    }
    step_sync();
    const float share = *m.factor;
    for (int j = t; j < n; j += STEP_THREADS) m.scores[j] = __fmul_rn(m.scores[j], share);
    step_sync();
}

/* mixed[32 elements] = sum_j scores[j] v[j], one position after another, by one warp: a lane an element. */
template <int D> __device__ __forceinline__ void step_mix(const step_args &p, const step_memory &m, step_state &s, int layer, uint8_t *memory) {
    const int pieces = D / STEP_SLICE, turn = step_turn(s.block, s.blocks, layer, STEP_mixing), head = turn / pieces, at = p.context - 1, lane = threadIdx.x & 31;
    const int copies = (p.context + STEP_VALUES_A_SLOT - 1) / STEP_VALUES_A_SLOT, element = turn % pieces * STEP_SLICE + lane;
    if (head >= p.heads) return;
    step_softmax(p, m, s, head);
    if (threadIdx.x < 32) {
        float y = 0;
        for (int c = 0; c < copies; c++) {
            const int chunk = s.chunk + c, first = c * STEP_VALUES_A_SLOT, n = min(STEP_VALUES_A_SLOT, at - first);
            const __half *v = (const __half *)(memory + chunk % STEP_SLOTS * STEP_SLOT_BYTES) + lane;
            step_await(m, chunk);
            int j = 0;
#pragma unroll 4
            for (; j + 4 <= n; j += 4) {
                const float4 w = *(const float4 *)(m.scores + first + j);
                const float ws[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
                for (int i = 0; i < 4; i++) y = __fadd_rn(y, __fmul_rn(ws[i], __half2float(v[(j + i) * STEP_SLICE])));
            }
            for (; j < n; j++) y = __fadd_rn(y, __fmul_rn(m.scores[first + j], __half2float(v[j * STEP_SLICE])));
            __syncwarp();
            if (lane == 0) step_free(m, chunk);
        }
        const __half own = __float2half_rn(step_receive(p.wide + (p.heads + p.groups + head / (p.heads / p.groups)) * D + element, s.epoch));
        y = __fadd_rn(y, __fmul_rn(m.scores[at], __half2float(own)));
        step_send(p.mixed + head * D + element, y, s.epoch);
    }
    s.chunk += copies;
}

/* ---- logits */

/* Rows of the output matrix: the warp of a slot takes what comes into it. */
__device__ __forceinline__ void step_logits(const step_args &p, const step_memory &m, const step_state &s, float scale, uint8_t *memory) {
    enum { MOST = STEP_SHORT * 1024 / 512 };
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, room = step_rows_a_slot(p.width), pieces = p.width / 16;
    const step_range mine = step_share((p.vocabulary + room - 1) / room, s.block, s.blocks);
    uint4 q[MOST];
#pragma unroll
    for (int i = 0; i < MOST; i++) q[i] = lane + 32 * i < pieces ? ((const uint4 *)m.q)[lane + 32 * i] : make_uint4(0, 0, 0, 0);
    for (int c = (warp - s.chunk % STEP_WARPS + STEP_WARPS) % STEP_WARPS; c < mine.end - mine.first; c += STEP_WARPS) {
        const int chunk = s.chunk + c, r0 = (mine.first + c) * room, n = min(room, p.vocabulary - r0);
        const uint4 *rows = (const uint4 *)(memory + chunk % STEP_SLOTS * STEP_SLOT_BYTES);
        step_await(m, chunk);
        for (int r = 0; r < n; r++) {
            int sum = 0;
#pragma unroll
            for (int i = 0; i < MOST; i++) {
                if (lane + 32 * i >= pieces) continue;
                const uint4 w = rows[r * pieces + lane + 32 * i];
                sum = __dp4a((int)w.x, (int)q[i].x, __dp4a((int)w.y, (int)q[i].y, __dp4a((int)w.z, (int)q[i].z, __dp4a((int)w.w, (int)q[i].w, sum))));
            }
            sum = __reduce_add_sync(~0u, sum);
            if (lane == 0) p.logits[r0 + r] = __fmul_rn(__fmul_rn(scale, p.scales[r0 + r]), (float)sum);
        }
        __syncwarp();
        if (lane == 0) step_free(m, chunk);
    }
}

/* ---- the step */

template <int D> __device__ __forceinline__ void step_layer(const step_args &p, const step_memory &m, step_state &s, int layer, uint8_t *memory) {
    const int quads = step_quads(p.width);
    step_mark(p, layer, 0);
    float scale = step_norm_residual(p, m, s, layer ? p.down : nullptr, s.epoch - 1, p.norms[STEP_attention_norm], false);
    step_mark(p, layer, 1);
    step_matrix(p, m, s, layer, STEP_qkv, (p.heads + 2 * p.groups) * D / CUDA_TILE_ROWS, quads, scale, p.wide);
    step_mark(p, layer, 2);
    step_scores<D>(p, m, s, layer, memory);
    step_mark(p, layer, 3);
    step_mix<D>(p, m, s, layer, memory);
    step_mark(p, layer, 4);
    scale = step_norm_plain<STEP_SHORT>(p, m, s, p.mixed, p.width, p.norms[STEP_sub_norm]);
    step_mark(p, layer, 5);
    step_matrix(p, m, s, layer, STEP_output, p.width / CUDA_TILE_ROWS, quads, scale, p.added);
    step_mark(p, layer, 6);
    scale = step_norm_residual(p, m, s, p.added, s.epoch, p.norms[STEP_ffn_norm], false);
    step_mark(p, layer, 7);
    step_gate(p, m, s, layer, scale);
    step_mark(p, layer, 8);
    scale = step_norm_plain<STEP_LONG>(p, m, s, p.gated, p.ffn, p.norms[STEP_ffn_sub_norm]);
    step_mark(p, layer, 9);
    step_matrix(p, m, s, layer, STEP_down, p.width / CUDA_TILE_ROWS, step_quads(p.ffn), scale, p.down);
    step_mark(p, layer, 10);
}

template <int D> __device__ __forceinline__ void step_whole(const step_args &p, uint8_t *memory) {
    const step_memory m(p, memory);
    const int t = threadIdx.x;
    if (t < STEP_SLOTS) barrier_init(m.full + t * 8, 1), barrier_init(m.empty + t * 8, 1), barrier_publish();
    for (int i = t; i < STEP_TILES * CUDA_TILE_ROWS && t < STEP_THREADS; i += STEP_THREADS) m.sums[i] = 0;
    __syncthreads();
    if (t >= STEP_THREADS) {
        step_fill(p, m);
        return;
    }
    step_state s = {(int)blockIdx.x, (int)gridDim.x, 0, p.epochs[blockIdx.x], 0};
    for (int layer = 0; layer < p.layers; layer++) {
        s.epoch++;
        step_layer<D>(p, m, s, layer, memory);
    }
    const float scale = step_norm_residual(p, m, s, p.down, s.epoch, p.norms[STEP_last_norm], true);
    step_mark(p, p.layers, 0);
    step_logits(p, m, s, scale, memory);
    step_mark(p, p.layers, 1);
    if (t == 0) p.epochs[blockIdx.x] = s.epoch;
}
#endif

#define STEP(D)                                                                                                                              \
    extern "C" __global__ void __launch_bounds__(STEP_THREADS + 32, 1) decode_step_##D(const step_args p)                                   \
    {                                                                                                                                      \
        IF_BULK(DYNAMIC_SHARED(uint8_t, step_bytes); step_whole<D>(p, step_bytes);)                                                         \
    }
STEP(64)
STEP(128)
