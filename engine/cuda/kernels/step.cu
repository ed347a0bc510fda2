/* SPDX-License-Identifier: Apache-2.0
 *
 * A step of one sequence through all layers in one launch: every multiprocessor has one block, and all of them run at once. Blocks hand each other what a
 * stage makes (exchange.cuh); weights come in meanwhile, a whole layer ahead (pieces.cuh). Each block keeps the residual and normalises for
 * itself; each has a run of every matrix's rows. Attention in the CPU's order (model/attend.h): a panel of 64 positions for some heads of a group is a
 * block's task, and a run of the outputs, added up over panels, is every block's.
 *
 * A word is written again a layer later; between its writers and readers lies a stage in which every block waits for all: each has rows of each matrix.
 *
 * Arguments: step.h.
 */
#include "cache.cuh"
#include "embedding.cuh"
#include "exchange.cuh"
#include "panel.cuh"
#include "pieces.cuh"

#ifdef HAVE_BULK

template <class T> struct step_memory {
    T *keys, *values, *own; /* a panel of each; the token's own key, then its value */
    uint8_t *x;             /* int8 activations, in the order of step_place */
    float *heads, *scores, *key_scales, *value_scales, *cosine, *sine, *partial, *inverse, *outputs, *output_sums, *shares; /* shares: one over a sum of weights, where queries were */
    unsigned *maxima;
    int *sums; /* [tile][16] */
    weight_scale *scales;
    unsigned barriers;
    __device__ step_memory(const step_args &p, uint8_t *memory) {
        const step_layout &at = p.at;
        keys = (T *)(memory + at.keys), values = (T *)(memory + at.values), own = (T *)(memory + at.own);
        x = memory + at.x;
        heads = (float *)(memory + at.heads), scores = (float *)(memory + at.scores), key_scales = (float *)(memory + at.scales), value_scales = key_scales + KEY_PANEL;
        cosine = (float *)(memory + at.angles), sine = cosine + HEAD_MOST / 2, partial = (float *)(memory + at.partial);
        outputs = (float *)(memory + at.outputs), output_sums = (float *)(memory + at.output_sums), shares = heads;
        maxima = (unsigned *)(memory + at.maxima), inverse = (float *)(maxima + STEP_WARPS), sums = (int *)(memory + at.sums), scales = (weight_scale *)(memory + at.weight_scales);
        barriers = shared_address(memory + at.barriers);
    }
};

__device__ __forceinline__ uint64_t *marks_of(const step_args &p, int layer, int stage) { return p.marks ? p.marks + (layer * STEP_STAGES + stage) * MARKS : nullptr; }

/* ---- norm */

/* Where byte i of the activations lies: what a lane multiplies with a quad, 32 bytes side by side. */
__device__ __forceinline__ int step_place(int i) { return (i & ~127) | (i >> 2 & 3) << 5 | (i >> 4 & 7) << 2 | (i & 3); }

/* One over the root of the mean square of a row, in every thread; mine: the sum of the thread's squares. Sums as in norm.cu. By one warp: all of them together
 * would read the 512 sums for longer than the others wait. */
template <class T> __device__ __forceinline__ float step_inverse_rms(const step_args &p, const step_memory<T> &m, float mine, int n) {
    m.partial[threadIdx.x] = mine;
    __syncthreads();
    if (threadIdx.x < 32) {
        const float sum = lanes_sum<STEP_WARPS>(m.partial);
        if (threadIdx.x == 0) *m.inverse = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(sum, (float)n), p.eps)));
    }
    __syncthreads();
    return *m.inverse;
}

/* The largest of a block's numbers, none of them negative, in every thread. */
template <class T> __device__ __forceinline__ float step_most(const step_memory<T> &m, float mine) {
    const unsigned most = __reduce_max_sync(~0u, (unsigned)__float_as_int(mine)); /* in the order of floats */
    if ((threadIdx.x & 31) == 0) m.maxima[threadIdx.x / 32] = most;
    __syncthreads();
    return __int_as_float((int)__reduce_max_sync(~0u, m.maxima[threadIdx.x % STEP_WARPS]));
}

/* x = quantise(v / rms(v) * w), v the thread's elements of a row; gives the largest of its numbers, at least 1e-5. */
template <class T> __device__ __forceinline__ float step_norm(const step_args &p, const step_memory<T> &m, const step_row &row, float (&v)[NORM_MANY], const float (&w)[NORM_MANY]) {
    const int at = step_place(threadIdx.x);
    float s = 0, a = 1e-5f;
    row.each([&](int c) { s = __fadd_rn(s, __fmul_rn(v[c], v[c])); });
    const float r = step_inverse_rms(p, m, s, row.n);
    row.each([&](int c) {
        v[c] = __fmul_rn(__fmul_rn(v[c], r), w[c]);
        a = fmaxf(a, fabsf(v[c])); /* which no number leaves as it is */
    });
    a = step_most(m, a);
    const float to_int = __fdiv_rn(127.0f, a);
    row.each([&](int c) { m.x[at + c * STEP_THREADS] = (uint8_t)to_int8(__fmul_rn(v[c], to_int)); }); /* there is room behind the row */
    __syncthreads();
    return a;
}

/* Brings the norms' weights of a layer closer, a part by each block: nobody asked for them since the step before. */
__device__ __forceinline__ void step_near(const step_args &p, int layer) {
    const int n = p.norm_floats;
    if (layer < p.layers)
        for (int i = (blockIdx.x * STEP_THREADS + threadIdx.x) * 32; i < n; i += gridDim.x * STEP_THREADS * 32) prefetch_near(p.norms + (size_t)layer * n + i);
}

__device__ __forceinline__ void step_weights(const step_args &p, int layer, int matrix, const step_row &row, float (&w)[NORM_MANY]) {
    const float *from = p.norms + (size_t)layer * p.norm_floats + p.norm_at[matrix];
    row.each([&](int c) { w[c] = from[row.at(c)]; });
}

/* ---- products */

template <class T> __device__ __forceinline__ void step_clear(const step_memory<T> &m, const step_share &s) {
#pragma unroll 1
    for (int i = threadIdx.x; i < s.tiles * CUDA_TILE_ROWS; i += STEP_THREADS) m.sums[i] = 0;
}

/* Adds a warp's part of a tile to the tile's sums; all columns are the same. */
__device__ __forceinline__ void step_flush(int (&c)[4][4], int *sums) {
    const int lane = threadIdx.x & 31;
    if ((lane & 3) == 0) {
        atomicAdd(sums + lane / 4, c[0][0] + c[1][0] + c[2][0] + c[3][0]);
        atomicAdd(sums + lane / 4 + 8, c[0][2] + c[1][2] + c[2][2] + c[3][2]);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) c[0][i] = c[1][i] = c[2][i] = c[3][i] = 0;
}

template <class T> __device__ __forceinline__ void step_product(const step_args &p, const step_memory<T> &m, int matrix, const step_share &s, const step_plan &plan, step_ring &ring) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32, quads = p.quads[matrix];
    const unsigned x = shared_address(m.x) + (lane & 3) * 32;
    const step_work own = plan.work[matrix * STEP_WARPS + warp];
    const unsigned w = ring.take(p, own.piece) + lane * 16;
    int *sums = m.sums + own.tile * CUDA_TILE_ROWS, c[4][4] = {};
    int unit = own.first, q = own.q;
#pragma unroll 1
    while (unit < own.end) { /* tile by tile */
        const int end = min((int)own.end, unit + quads - q);
#pragma unroll 2
        for (; unit < end; unit++, q++) {
            const uint4 v = load_shared(w + unit * CUDA_TILE_BYTES), b0 = load_shared(x + q * CUDA_QUAD), b1 = load_shared(x + q * CUDA_QUAD + 16);
            unsigned a[4][4];
#pragma unroll
            for (int f = 0; f < 4; f++) unpack_step(a[f], v, f);
            mma_16x8x32(c[0], a[0], b0.x, b0.y);
            mma_16x8x32(c[1], a[1], b0.z, b0.w);
            mma_16x8x32(c[2], a[2], b1.x, b1.y);
            mma_16x8x32(c[3], a[3], b1.z, b1.w);
        }
        step_flush(c, sums);
        sums += CUDA_TILE_ROWS, q = 0;
    }
    __syncthreads();
    ring.give(p, plan, s.pieces);
}

/* Row `row` of the matrix, the block's e-th. */
template <class T> __device__ __forceinline__ float step_output(const step_memory<T> &m, const weight_scale &scale, float sx, int e, int row) {
    return (float)(m.sums[e] >> 6) * (weight_scale_of(&scale, row) * sx);
}

/* Hands over the block's results of a matrix: its rows, or of gate and up relu(gate)^2 * up. Those of the last layer go to the pass's end. */
template <class T> __device__ __forceinline__ void step_results(const step_args &p, const step_memory<T> &m, int layer, int matrix, const step_share &s, int rows, float sx, unsigned tag) {
    const bool is_gate = matrix == STEP_GATE_UP, is_end = matrix == STEP_DOWN && layer + 1 == p.layers;
    const weight_scale &scale = m.scales[layer * STEP_MATRICES + matrix];
    uint64_t *words = p.words.results[matrix];
#pragma unroll 1
    for (int e = threadIdx.x; e < rows; e += STEP_THREADS) {
        const int row = s.tile0 * CUDA_TILE_ROWS + e;
        float y = step_output(m, scale, sx, e, row);
        if (is_gate) y = fmaxf(y, 0.0f), y = __fmul_rn(__fmul_rn(y, y), step_output(m, scale, sx, e + rows, p.ffn + row));
        if (is_end) p.added[row] = y;
        else hand(words + row, y, tag);
    }
}

/* ---- attention */

/* A panel of a group, for some of its heads. */
struct step_task {
    int group, panel, head; /* the first */
    bool is_first;          /* of those of the group */
    __device__ __forceinline__ step_task(int i, int panels, int splits, int each) {
        const int all = i / splits, part = i - all * splits;
        group = all / panels, panel = all - group * panels;
        head = (group * splits + part) * each, is_first = part == 0;
    }
};

/* Asks for a panel's keys, or its values; one thread. `slot` was read by all. */
template <class T> __device__ __forceinline__ void step_fetch(const step_args &p, const step_memory<T> &m, int layer, const step_task &task, bool is_values) {
    const cache_layer &c = p.cache;
    const int row = is_values ? c.pitch : c.d, bytes = KEY_PANEL * row * (int)sizeof(T);
    const size_t at = ((size_t)task.group * c.positions + task.panel * KEY_PANEL) * row * sizeof(T);
    const uint8_t *from = is_values ? (const uint8_t *)c.values + layer * p.value_bytes + at : (const uint8_t *)c.keys + layer * p.key_bytes + at;
    barrier_publish(); /* the panel's earlier readers and writers, before the copy */
    barrier_expect(m.barriers + 8 * is_values, bytes);
    bulk_copy(shared_address(is_values ? (void *)m.values : (void *)m.keys), from, bytes, m.barriers + 8 * is_values);
}

/* A row of the product before, over a warp. */
__device__ __forceinline__ warp_row take_row(const uint64_t *from, int d, unsigned tag) {
    const int lane = threadIdx.x & 31, half = d / 2, i = min(lane, half - 1), j = min(lane + 32, half - 1), at[4] = {i, j, i + half, j + half};
    float v[4];
    take_several(from, at, tag, v);
    return {{v[0], v[1]}, {v[2], v[3]}, 1, 1};
}

template <class T> struct step_attention {
    const step_args &p;
    const step_memory<T> &m;
    cache_layer cache; /* of the layer at hand */
    int at, panels, splits, each, tasks; /* splits: tasks of a panel of a group; each: heads of a task */
    int key_turn, value_turn; /* panels that came */

    __device__ __forceinline__ step_attention(const step_args &args, const step_memory<T> &memory) : p(args), m(memory), cache(args.cache) {
        const int heads = cache.heads / cache.groups;
        at = p.embed.state->position, panels = at / KEY_PANEL + 1;
        splits = heads % 2 == 0 && cache.groups * panels * 2 <= (int)gridDim.x ? 2 : 1, each = heads / splits, tasks = cache.groups * panels * splits;
        key_turn = value_turn = 0;
        const int half = cache.d / 2;
        if ((int)threadIdx.x < half) {
            m.cosine[threadIdx.x] = p.cosine[(size_t)at * half + threadIdx.x];
            m.sine[threadIdx.x] = p.sine[(size_t)at * half + threadIdx.x];
        }
        if (!is_fetching()) return;
        barrier_init(m.barriers, 1), barrier_init(m.barriers + 8, 1), barrier_publish();
        begin(0);
    }
    __device__ __forceinline__ bool is_fetching() const { return threadIdx.x == STEP_THREADS - 1; }
    __device__ __forceinline__ step_task task_of(int i) const { return step_task(i, panels, splits, each); }
    /* Asks for what a layer's first task needs. */
    __device__ __forceinline__ void begin(int layer) {
        if ((int)blockIdx.x >= tasks || layer >= p.layers) return;
        step_fetch(p, m, layer, task_of(blockIdx.x), false);
        step_fetch(p, m, layer, task_of(blockIdx.x), true);
    }
    __device__ __forceinline__ void enter(int layer) {
        cache.keys = (uint8_t *)p.cache.keys + layer * p.key_bytes, cache.values = (uint8_t *)p.cache.values + layer * p.value_bytes;
        cache.key_scales = p.cache.key_scales + layer * p.scale_floats, cache.value_scales = p.cache.value_scales + layer * p.scale_floats;
    }
    __device__ __forceinline__ bool is_own(const step_task &task) const { return task.panel == panels - 1; }

    /* The task's queries, rotated and divided by sqrt(d), a warp a row. */
    __device__ __forceinline__ void take_queries(const step_task &task, const warp_angles &angles, unsigned tag) {
        const float shrink = shrink_of(cache.d);
#pragma unroll 1
        for (int h = threadIdx.x / 32; h < each; h += STEP_WARPS) {
            warp_row r = take_row(p.words.results[STEP_QKV] + (task.head + h) * cache.d, cache.d, tag);
            rotate_row(r, angles);
            each_element<float>(r, cache.d, [&](int i, float v) { m.heads[h * HEAD_MOST + i] = __fmul_rn(v, shrink); });
        }
    }
    /* The token's own key, or value: beside the panel that it belongs to. One warp, which keeps it in the cache too where the task is its group's first. */
    __device__ __forceinline__ warp_row take_own(int row, float *scales, unsigned tag, const warp_angles *angles) {
        warp_row r = take_row(p.words.results[STEP_QKV] + row * cache.d, cache.d, tag);
        if (angles) rotate_row(r, *angles);
        scale_row<T>(r);
        each_element<T>(r, cache.d, [&](int i, T v) { m.own[i] = v; });
        if (is_int8<T>::VALUE && (threadIdx.x & 31) == 0) scales[at % KEY_PANEL] = r.scale;
        return r;
    }
    __device__ __forceinline__ warp_angles own_angles() const {
        warp_angles angles;
#pragma unroll
        for (int c = 0; c < 2; c++) {
            const int i = min((int)(threadIdx.x & 31) + 32 * c, cache.d / 2 - 1);
            angles.cosine[c] = m.cosine[i], angles.sine[c] = m.sine[i];
        }
        return angles;
    }
    /* The scales of the panel's earlier positions. */
    __device__ __forceinline__ void take_scales(const step_task &task, const float *from, float *to) {
        const int j = threadIdx.x, position = task.panel * KEY_PANEL + j;
        if (is_int8<T>::VALUE && j < KEY_PANEL && position < at) to[j] = __ldcg(from + (size_t)task.group * cache.positions + position);
    }
    /* The token's own row into a panel that came from the cache without it; `step`: elements apart. */
    __device__ __forceinline__ void put_own(T *to, int step) {
        if ((int)threadIdx.x < cache.d) to[threadIdx.x * step] = m.own[threadIdx.x];
    }

    /* Scores of the block's tasks, and the largest of each head. */
    __device__ __forceinline__ void score(int layer, unsigned tag, uint64_t *marks) {
        const int warp = threadIdx.x / 32, lane = threadIdx.x & 31;
        float *scores = m.scores;
#pragma unroll 1
        for (int i = blockIdx.x; i < tasks; i += gridDim.x, scores += each * KEY_PANEL) {
            const step_task task = task_of(i);
            take_scales(task, cache.key_scales, m.key_scales);
            const warp_angles angles = own_angles();
            take_queries(task, angles, tag);
            mark(marks, MARK_READY);
            if (is_own(task) && warp == STEP_WARPS - 1) {
                const warp_row key = take_own(cache.heads + task.group, m.key_scales, tag, &angles);
                if (task.is_first) store_key<T>(cache, task.group, at, key);
            }
            barrier_wait(m.barriers, key_turn++ & 1);
            __syncthreads();
            if (is_own(task)) {
                put_own(m.keys + at % KEY_PANEL, KEY_PANEL);
                __syncthreads();
            }
#pragma unroll 1
            for (int part = warp; part < 2 * each; part += STEP_WARPS) {
                const int h = part / 2, half = part & 1;
                const float most = score_half_panel<T>(m.heads + h * HEAD_MOST, m.keys, m.key_scales, scores + h * KEY_PANEL, cache.d, at - task.panel * KEY_PANEL + 1, half);
                if (lane == 0) hand(p.words.maxima + ((task.head + h) * p.panels + task.panel) * 2 + half, most, tag);
            }
            __syncthreads();
            if (is_fetching() && i + (int)gridDim.x < tasks) step_fetch(p, m, layer, task_of(i + gridDim.x), false);
        }
    }
    /* Scores to weights, and what each panel adds to the outputs and to the sums of the weights. */
    __device__ __forceinline__ void mix(int layer, unsigned tag) {
        const int warp = threadIdx.x / 32, lane = threadIdx.x & 31, outputs = each * cache.d;
        float *scores = m.scores;
#pragma unroll 1
        for (int i = blockIdx.x; i < tasks; i += gridDim.x, scores += each * KEY_PANEL) {
            const step_task task = task_of(i);
            const int n = min(KEY_PANEL, at - task.panel * KEY_PANEL + 1);
            take_scales(task, cache.value_scales, m.value_scales);
            if (is_own(task) && warp == STEP_WARPS - 1) {
                const warp_row value = take_own(cache.heads + cache.groups + task.group, m.value_scales, tag, nullptr);
                if (task.is_first) store_value<T>(cache, task.group, at, value);
            }
#pragma unroll 1
            for (int h = warp; h < each; h += STEP_WARPS) {
                const int head = task.head + h;
                float most = -__int_as_float(0x7f800000), *own = scores + h * KEY_PANEL;
#pragma unroll 1
                for (int j = lane; j < 2 * panels; j += 32) most = fmaxf(most, take(p.words.maxima + head * p.panels * 2 + j, tag));
                most = float_of_order(__reduce_max_sync(~0u, float_order(most)));
                const float low = exp_same(__fsub_rn(own[lane], most)), high = exp_same(__fsub_rn(own[lane + 32], most));
                own[lane] = low, own[lane + 32] = high;
                float s = __fadd_rn(low, high);
                s = __fadd_rn(s, __shfl_xor_sync(~0u, s, 16));
                if (lane < 16) hand(p.words.sums + (head * p.panels + task.panel) * 16 + lane, s, tag);
            }
            barrier_wait(m.barriers + 8, value_turn++ & 1);
            __syncthreads();
            if (is_own(task)) {
                put_own(m.values + at % KEY_PANEL * cache.pitch, 1);
                __syncthreads();
            }
#pragma unroll 1
            for (int o = 2 * threadIdx.x; o < outputs; o += 2 * STEP_THREADS) {
                const several<float, 2> y = mix_panel(scores + o / cache.d * KEY_PANEL, m.value_scales, m.values + o % cache.d, cache.pitch, n);
                uint64_t *to = p.words.parts + task.panel * p.width + task.head * cache.d + o;
                hand(to, y.v[0], tag);
                hand(to + 1, y.v[1], tag);
            }
            __syncthreads();
            if (is_fetching() && i + (int)gridDim.x < tasks) step_fetch(p, m, layer, task_of(i + gridDim.x), true);
        }
        if (is_fetching()) begin(layer + 1);
    }
    /* The block's outputs: the panels' parts in their order, times one over the sum of the weights. */
    __device__ __forceinline__ void finish(unsigned tag) {
        const int d = cache.d, first = step_first(p.width, blockIdx.x, gridDim.x), end = step_first(p.width, blockIdx.x + 1, gridDim.x), n = end - first;
        const int head0 = first / d, heads = (end - 1) / d - head0 + 1, warp = threadIdx.x / 32, lane = threadIdx.x & 31;
        const int sums = heads * panels * 16;
#pragma unroll 1
        for (int i = threadIdx.x; i < sums + n * panels; i += STEP_THREADS) { /* in one round, where the context is short */
            const int j = i - sums;
            const uint64_t *from = j < 0 ? p.words.sums + (head0 + i / (panels * 16)) * p.panels * 16 + i % (panels * 16) : p.words.parts + j / n * p.width + first + j % n;
            (j < 0 ? m.output_sums + i : m.outputs + j)[0] = take(from, tag);
        }
        __syncthreads();
#pragma unroll 1
        for (int h = warp; h < heads; h += STEP_WARPS) {
            float s = 0;
#pragma unroll 8
            for (int j = 0; j < panels; j++) s = __fadd_rn(s, m.output_sums[(h * panels + j) * 16 + (lane & 15)]);
            s = tree16(s);
            if (lane == 0) m.shares[h] = __fdiv_rn(1.0f, s);
        }
#pragma unroll 1
        for (int o = STEP_THREADS - 1 - threadIdx.x; o < n; o += STEP_THREADS) { /* by other warps, meanwhile */
            float y = 0;
#pragma unroll 8
            for (int j = 0; j < panels; j++) y = __fadd_rn(y, m.outputs[j * n + o]);
            m.outputs[o] = y;
        }
        __syncthreads();
#pragma unroll 1
        for (int o = threadIdx.x; o < n; o += STEP_THREADS) hand(p.words.mixed + first + o, __fmul_rn(m.outputs[o], m.shares[(first + o) / d - head0]), tag);
    }
    __device__ __forceinline__ void run(int layer, unsigned tag) {
        uint64_t *marks = marks_of(p, layer, STAGE_ATTENTION);
        mark(marks, MARK_BEGIN);
        enter(layer);
        score(layer, tag, marks);
        mix(layer, tag);
        finish(tag);
        mark(marks, MARK_END);
    }
};

/* ---- the layers */

/* What a matrix multiplies: its row's length, and where it comes from. */
__device__ __forceinline__ step_row step_input_row(const step_args &p, int matrix) { return {matrix == STEP_DOWN ? p.ffn : p.width}; }
__device__ __forceinline__ const uint64_t *step_input(const step_args &p, int matrix) {
    return matrix == STEP_OUTPUT ? p.words.mixed : p.words.results[(matrix + STEP_MATRICES - 1) % STEP_MATRICES];
}
__device__ __forceinline__ int step_stage_of(int matrix) { return matrix == STEP_QKV ? STAGE_QKV : STAGE_OUTPUT + matrix - STEP_OUTPUT; }

/* One matrix of a layer: the norm before it and its product. x: the thread's elements of the residual. */
template <class T>
__device__ __forceinline__ void step_multiply(const step_args &p, const step_memory<T> &m, const step_plan &plan, step_ring &ring, int layer, int matrix, unsigned tag, float (&x)[NORM_FEW]) {
    const step_share s = plan.shares[matrix];
    const step_row row = step_input_row(p, matrix);
    uint64_t *marks = marks_of(p, layer, step_stage_of(matrix));
    float v[NORM_MANY], w[NORM_MANY];
    mark(marks, MARK_BEGIN);
    step_weights(p, layer, matrix, row, w);
    if (matrix == STEP_QKV) step_near(p, layer + 1);
    __syncthreads(); /* the sums were read */
    step_clear(m, s);
    if (layer | matrix) {
        take_elements(step_input(p, matrix), row, matrix == STEP_QKV ? tag - 1 : tag, v);
    } else {
        const size_t token = embedded_token(p.embed, 0);
#pragma unroll
        for (int c = 0; c < NORM_FEW; c++) v[c] = row.has(c) ? embedded(p.embed, token, row.at(c)) : 0.0f;
    }
    if (matrix == STEP_QKV || matrix == STEP_GATE_UP)
#pragma unroll
        for (int c = 0; c < NORM_FEW; c++) v[c] = x[c] = __fadd_rn(x[c], v[c]);
    mark(marks, MARK_READY);
    const float most = step_norm(p, m, row, v, w);
    mark(marks, MARK_NORM);
    const int rows = s.tiles / s.runs * CUDA_TILE_ROWS;
    const float sx = (int)threadIdx.x < rows ? __fdiv_rn(most, 127.0f) : 0; /* of those that use it */
    step_product(p, m, matrix, s, plan, ring);
    step_results(p, m, layer, matrix, s, rows, sx, tag);
    mark(marks, MARK_END);
}

template <class T> __device__ __forceinline__ void step_layers(const step_args &p, uint8_t *memory) {
    const step_memory<T> m(p, memory);
    const int t = threadIdx.x;
    const unsigned first_tag = *p.tag;
    step_plan plan(p, memory + p.at.plan);
    plan.make(p);
    __syncthreads();
    step_ring ring(p, plan, memory);
    for (int i = t; i < p.layers * STEP_MATRICES; i += STEP_THREADS) m.scales[i] = p.scales[i];
    step_attention<T> attention(p, m);
    float x[NORM_FEW] = {-0.0f, -0.0f, -0.0f, -0.0f, -0.0f}; /* adds to every number without a trace */
#pragma unroll 1
    for (int layer = 0; layer < p.layers; layer++)
#pragma unroll 1
        for (int matrix = 0; matrix < STEP_MATRICES; matrix++) {
            if (matrix == STEP_OUTPUT) attention.run(layer, first_tag + layer);
            step_multiply(p, m, plan, ring, layer, matrix, first_tag + layer, x);
        }
    if (blockIdx.x) return;
#pragma unroll
    for (int c = 0; c < NORM_FEW; c++)
        if (t + c * STEP_THREADS < p.width) p.x[t + c * STEP_THREADS] = x[c];
    if (t == 0) *p.tag = first_tag + p.layers;
}
#define STEP(type) step_layers<type>(p, step_shared)
#else
#define STEP(type)
#endif

#define STEP_KERNELS(name, type)                                                                        \
    extern "C" __global__ void __launch_bounds__(STEP_THREADS, 1) step_##name(const step_args p)        \
    {                                                                                                   \
        DYNAMIC_SHARED(uint8_t, step_shared);                                                           \
        STEP(type);                                                                                     \
    }
EACH_CACHE(STEP_KERNELS)
