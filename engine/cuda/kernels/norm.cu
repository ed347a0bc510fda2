/* SPDX-License-Identifier: Apache-2.0
 *
 * Norms with what is done before and after them (norm.h): alone, a block a row, or within the product of one row that follows.
 */
#include "norm.h"
#include "stream.cuh"
#include "sums.cuh"

/* Where element i of row `row` lies in what may come from several cards. */
__device__ __forceinline__ size_t norm_at(const norm_args &p, int row, int i) {
    const int card = i < p.part ? 0 : i / p.part;
    return card * p.block + (size_t)row * p.ldx + (i - card * p.part);
}

/* What element i is made of: one number, and a second where there is something to add or to multiply. */
template <int KIND> __device__ __forceinline__ float norm_first(const norm_args &p, int row, int i) {
    if (KIND == NORM_RESIDUAL) return __ldcg(p.x + (size_t)row * p.n + i);
    if (KIND != NORM_EMBEDDING) return __ldcg(p.x + norm_at(p, row, i));
    const int sequence = p.history_pitch ? row : 0;
    const size_t token = __ldcg(p.history + (size_t)sequence * p.history_pitch + p.state[sequence].position + row - sequence);
    return p.table ? p.table[token * p.n + i] : __fmul_rn(p.scales[token], (float)p.rows[token * p.n + i]);
}
template <int KIND> __device__ __forceinline__ float norm_second(const norm_args &p, int row, int i) {
    return KIND == NORM_RESIDUAL || KIND == NORM_GATE ? __ldcg(p.added + norm_at(p, row, i)) : 0.0f;
}
template <int KIND> __device__ __forceinline__ float norm_join(float first, float second) {
    if (KIND == NORM_RESIDUAL) return __fadd_rn(first, second);
    if (KIND != NORM_GATE) return first;
    const float g = fmaxf(first, 0.0f);
    return __fmul_rn(__fmul_rn(g, g), second);
}

/* A block of THREADS threads normalises a row: thread t has elements t, t + THREADS, …, the first EACH of them in registers; more it makes again from
 * what they come from, in each of the three rounds. A thread asks for all its numbers before it uses the first. */
template <int THREADS, int EACH> struct norm_row {
    enum { SUMS = NORM_PARTIALS / THREADS, WARPS = THREADS / 32 }; /* partial sums of a thread */
    static_assert(SUMS * THREADS == NORM_PARTIALS && EACH % SUMS == 0, "a thread's partial sums are its own");
    float v[EACH], s[SUMS];

    __device__ __forceinline__ void add(int c, float x) { s[c % SUMS] = __fadd_rn(s[c % SUMS], __fmul_rn(x, x)); }
    /* Calls f(c, i) for the elements that are not in registers, c as for those that are but for a multiple of SUMS. */
    template <class F> __device__ __forceinline__ void each_beyond(int n, F f) {
        for (int base = threadIdx.x + EACH * THREADS; base < n; base += SUMS * THREADS)
#pragma unroll
            for (int c = 0; c < SUMS; c++)
                if (base + c * THREADS < n) f(c, base + c * THREADS);
    }

    /* Elements [keep, end) are kept as the new residual. */
    template <int KIND> __device__ __forceinline__ void take(const norm_args &p, int row, int keep, int end) {
        float second[EACH];
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            const int i = threadIdx.x + c * THREADS;
            v[c] = i < p.n ? norm_first<KIND>(p, row, i) : 0.0f;
            second[c] = i < p.n ? norm_second<KIND>(p, row, i) : 0.0f;
        }
#pragma unroll
        for (int c = 0; c < SUMS; c++) s[c] = 0;
        const auto kept = [&](int i, float x) {
            if (i >= keep && i < end) p.kept[(size_t)row * p.n + i] = x;
        };
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            v[c] = norm_join<KIND>(v[c], second[c]);
            add(c, v[c]);
            kept(threadIdx.x + c * THREADS, v[c]);
        }
        each_beyond(p.n, [&](int c, int i) {
            const float x = norm_join<KIND>(norm_first<KIND>(p, row, i), norm_second<KIND>(p, row, i));
            add(c, x);
            kept(i, x);
        });
    }

    /* The sum of all squares, in every thread: halved over a thread's partial sums, over warps, over lanes. */
    __device__ __forceinline__ float sum() {
        __shared__ float partial[THREADS];
        float w[WARPS];
        partial[threadIdx.x] = halves(s);
        __syncthreads();
#pragma unroll
        for (int i = 0; i < WARPS; i++) w[i] = partial[i * 32 + (threadIdx.x & 31)];
        float x = halves(w);
#pragma unroll
        for (int half = 16; half; half /= 2) x = __fadd_rn(x, __shfl_xor_sync(~0u, x, half));
        return x;
    }

    /* q = quantise(norm * w), zeros up to ldq; gives the scale to every thread. `w`: the thread's own weights, which may lie anywhere. */
    template <int KIND> __device__ __forceinline__ float quantize(const norm_args &p, const float *w, int row, int8_t *q) {
        const float r = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(sum(), (float)p.n), p.eps)));
        const auto beyond = [&](int i) { return __fmul_rn(__fmul_rn(norm_join<KIND>(norm_first<KIND>(p, row, i), norm_second<KIND>(p, row, i)), r), w[i]); };
        float a = 1e-5f;
        const auto raise = [&](float x) { a = fabsf(x) > a ? fabsf(x) : a; };
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            const int i = threadIdx.x + c * THREADS;
            v[c] = i < p.n ? __fmul_rn(__fmul_rn(v[c], r), w[i]) : 0.0f;
            raise(v[c]);
        }
        each_beyond(p.n, [&](int, int i) { raise(beyond(i)); });
        a = block_max<WARPS>(a);
        const float to_int = __fdiv_rn(127.0f, a);
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            const int i = threadIdx.x + c * THREADS;
            if (i < p.ldq) q[i] = to_int8(__fmul_rn(v[c], to_int));
        }
        each_beyond(p.ldq, [&](int, int i) { q[i] = i < p.n ? to_int8(__fmul_rn(beyond(i), to_int)) : 0; });
        return __fdiv_rn(a, 127.0f);
    }

    template <int KIND> __device__ __forceinline__ float run(const norm_args &p, const float *w, int row, int8_t *q, int keep, int end) {
        take<KIND>(p, row, keep, end);
        return quantize<KIND>(p, w, row, q);
    }
    /* The whole of it, by kind; elements [keep, end) of what is a residual are kept. */
    __device__ __forceinline__ float all(const norm_args &p, const float *w, int row, int8_t *q, int keep, int end) {
        switch (p.kind) {
        case NORM_EMBEDDING: return run<NORM_EMBEDDING>(p, w, row, q, keep, end);
        case NORM_RESIDUAL: return run<NORM_RESIDUAL>(p, w, row, q, keep, end);
        case NORM_GATE: return run<NORM_GATE>(p, w, row, q, 0, 0);
        default: return run<NORM_PLAIN>(p, w, row, q, 0, 0);
        }
    }
};

extern "C" __global__ void __launch_bounds__(NORM_THREADS) norm_f32_i8(const norm_args p)
{
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    norm_row<NORM_THREADS, 14> norm;
    const float scale = norm.all(p, p.w, blockIdx.x, p.q + (size_t)blockIdx.x * p.ldq, 0, p.n);
    if (threadIdx.x == 0) p.scale[blockIdx.x] = scale;
    mark(p.marks, MARK_END);
}

/* The norm and the product that follows it in one launch: every block normalises for itself, while its weights come in; its share of the new residual it
 * keeps. The norm's weights too are asked for before the kernel waits: nothing writes them. */
#ifdef HAVE_BULK
template <int WARPS, int EACH> __device__ __forceinline__ void norm_stream(const norm_stream_args &p, uint8_t *memory) {
    __shared__ float scale;
    const stream_shared<WARPS, 1> m(p.product, memory);
    const stream_run r = stream_share<WARPS>(p.product);
    const int n = p.norm.n, blocks = gridDim.x, keep = (int)((long)n * blockIdx.x / blocks), end = (int)((long)n * (blockIdx.x + 1) / blocks);
    float *w = (float *)(memory + p.weights_at);
    mark(p.product.marks, MARK_BEGIN);
    stream_start(p.product, m, r);
    for (int i = threadIdx.x; i < n; i += WARPS * 32) async_copy4(w + i, p.norm.w + i);
    async_commit();
    let_later_start();
    wait_for_earlier();
    mark(p.product.marks, MARK_READY);
    async_wait<0>();
    norm_row<WARPS * 32, EACH> norm;
    const float s = norm.all(p.norm, w, 0, (int8_t *)m.x, keep, end);
    if (threadIdx.x == 0) scale = s;
    __syncthreads();
    mark(p.product.marks, MARK_NORM);
    stream_product(p.product, m, r);
    __syncthreads();
    stream_args q = p.product;
    q.sx = &scale;
    stream_store(q, m, r);
    mark(p.product.marks, MARK_END);
}
#endif
#ifdef HAVE_BULK
#define NORM_STREAM(warps, each) norm_stream<warps, each>(p, fused_memory)
#else
#define NORM_STREAM(warps, each)
#endif
extern "C" __global__ void __launch_bounds__(256, 4) norm_t2_stream_8x1(const norm_stream_args p)
{
    DYNAMIC_SHARED(uint8_t, fused_memory);
    NORM_STREAM(8, 10);
}
extern "C" __global__ void __launch_bounds__(512, 2) norm_t2_stream_16x1(const norm_stream_args p)
{
    DYNAMIC_SHARED(uint8_t, fused_memory);
    NORM_STREAM(16, 14);
}
