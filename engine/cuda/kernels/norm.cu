/* SPDX-License-Identifier: Apache-2.0
 *
 * Norms with what is done before and after them (norm.h): alone, a block a row, or within the product of one row that follows.
 */
#include "norm.h"
#include "stream.cuh"
#include "sums.cuh"

/* What a norm's row is read from. Kinds differ by what is selected, not by code: a kernel's instructions come from the second cache too, and a launch
 * waits for each line of them (a version with a way a kind and a division an element had 160 KB, and took 3 to 7 us a row on an H100). */
struct norm_source {
    const float *first, *second; /* second: 0 where there is none */
    int between;                 /* cards: floats from one card's part to where the next one's would lie beside it */
    unsigned per_card;           /* 2^32 / part, rounded up */
    int kind;

    __device__ __forceinline__ norm_source(const norm_args &p, int row) {
        const bool is_residual = p.kind == NORM_RESIDUAL;
        first = p.x + (size_t)row * (is_residual ? p.n : p.ldx);
        second = is_residual || p.kind == NORM_GATE ? p.added + (size_t)row * p.ldx : nullptr;
        between = p.between, per_card = p.per_card, kind = p.kind;
    }
    __device__ __forceinline__ int at(int i) const { return i + (int)__umulhi((unsigned)i, per_card) * between; }
    __device__ __forceinline__ float take_first(int i) const { return __ldcg(first + (kind == NORM_RESIDUAL ? i : at(i))); }
    __device__ __forceinline__ float take_second(int i) const { return second ? __ldcg(second + at(i)) : 0.0f; }
    __device__ __forceinline__ float join(float a, float b) const {
        const float g = fmaxf(a, 0.0f), gated = __fmul_rn(__fmul_rn(g, g), b);
        return kind == NORM_GATE ? gated : kind == NORM_RESIDUAL ? __fadd_rn(a, b) : a;
    }
    __device__ __forceinline__ float operator()(int i) const { return join(take_first(i), take_second(i)); }
};

/* A block of THREADS threads normalises a row: thread t has elements t, t + THREADS, …, the first EACH of them in registers; more it makes again from
 * what they come from, in each of the three rounds. A thread asks for all its numbers before it uses the first. */
template <int THREADS, int EACH> struct norm_row {
    enum { SUMS = NORM_PARTIALS / THREADS, WARPS = THREADS / 32 }; /* partial sums of a thread */
    static_assert(SUMS * THREADS == NORM_PARTIALS && EACH % SUMS == 0, "a thread's partial sums are its own");
    float v[EACH], s[SUMS];

    __device__ __forceinline__ void add(int c, float x) { s[c % SUMS] = __fadd_rn(s[c % SUMS], __fmul_rn(x, x)); }
    /* Calls f(c, i) for the elements that are not in registers, c as for those that are but for a multiple of SUMS. */
    template <class F> __device__ __forceinline__ void each_beyond(int n, F f) {
#pragma unroll 1
        for (int base = threadIdx.x + EACH * THREADS; base < n; base += SUMS * THREADS)
#pragma unroll
            for (int c = 0; c < SUMS; c++)
                if (base + c * THREADS < n) f(c, base + c * THREADS);
    }

    /* Elements [keep, end) are kept as the new residual. */
    __device__ __forceinline__ void take(const norm_args &p, const norm_source &from, int row, int keep, int end) {
        float second[EACH];
        const int last = p.n - 1, t = threadIdx.x;
#pragma unroll
        for (int c = 0; c < EACH; c++) v[c] = from.take_first(min(t + c * THREADS, last));
#pragma unroll
        for (int c = 0; c < EACH; c++) second[c] = from.take_second(min(t + c * THREADS, last));
#pragma unroll
        for (int c = 0; c < SUMS; c++) s[c] = 0;
        const auto kept = [&](int i, float x) {
            if (i >= keep && i < end) p.kept[(size_t)row * p.n + i] = x;
        };
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            v[c] = t + c * THREADS <= last ? from.join(v[c], second[c]) : 0.0f;
            add(c, v[c]);
            kept(t + c * THREADS, v[c]);
        }
        each_beyond(p.n, [&](int c, int i) {
            const float x = from(i);
            add(c, x);
            kept(i, x);
        });
    }

    /* q = quantise(norm * w), zeros up to ldq; gives the scale to every thread. `w`: of which a thread reads its own elements' alone. */
    __device__ __forceinline__ float quantize(const norm_args &p, const norm_source &from, const float *w, int8_t *q) {
        const float r = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(block_sum<WARPS>(halves(s)), (float)p.n), p.eps)));
        const int last = p.n - 1, t = threadIdx.x;
        const auto beyond = [&](int i) { return __fmul_rn(__fmul_rn(from(i), r), w[i]); };
        float a = 1e-5f;
        const auto raise = [&](float x) { a = fabsf(x) > a ? fabsf(x) : a; };
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            const float x = __fmul_rn(__fmul_rn(v[c], r), w[min(t + c * THREADS, last)]);
            v[c] = t + c * THREADS <= last ? x : 0.0f;
            raise(v[c]);
        }
        each_beyond(p.n, [&](int, int i) { raise(beyond(i)); });
        a = block_max<WARPS>(a);
        const float to_int = __fdiv_rn(127.0f, a);
#pragma unroll
        for (int c = 0; c < EACH; c++)
            if (t + c * THREADS < p.ldq) q[t + c * THREADS] = to_int8(__fmul_rn(v[c], to_int));
        each_beyond(p.ldq, [&](int, int i) { q[i] = i < p.n ? to_int8(__fmul_rn(beyond(i), to_int)) : 0; });
        return __fdiv_rn(a, 127.0f);
    }

    /* The whole of it; elements [keep, end) of what is a residual are kept. */
    __device__ __forceinline__ float run(const norm_args &p, const float *w, int row, int8_t *q, int keep, int end) {
        const norm_source from(p, row);
        take(p, from, row, p.kind == NORM_RESIDUAL ? keep : 0, p.kind == NORM_RESIDUAL ? end : 0);
        return quantize(p, from, w, q);
    }
};

/* The same by registers for the widths of the 2B-4T shape: its inner states, and where a thread has registers for them its feed-forward part. */
template <int THREADS> __device__ __forceinline__ float norm_any(const norm_args &p, const float *w, int row, int8_t *q, int keep, int end) {
    enum { FEW = 2560 / THREADS, MANY = THREADS == 512 ? 14 : FEW };
    if (FEW == MANY || p.n <= FEW * THREADS) return norm_row<THREADS, FEW>().run(p, w, row, q, keep, end);
    return norm_row<THREADS, MANY>().run(p, w, row, q, keep, end);
}

/* The embedding's rows of tokens, a block a row. */
extern "C" __global__ void __launch_bounds__(NORM_THREADS) embed_f32(const embed_args p)
{
    let_later_start();
    wait_for_earlier();
    const int row = blockIdx.x, sequence = p.history_pitch ? row : 0;
    const size_t token = __ldcg(p.history + (size_t)sequence * p.history_pitch + p.state[sequence].position + row - sequence);
    for (int i = threadIdx.x; i < p.n; i += NORM_THREADS) p.x[(size_t)row * p.n + i] = p.table ? p.table[token * p.n + i] : __fmul_rn(p.scales[token], (float)p.rows[token * p.n + i]);
}

extern "C" __global__ void __launch_bounds__(NORM_THREADS) norm_f32_i8(const norm_args p)
{
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    const float scale = norm_any<NORM_THREADS>(p, p.w, blockIdx.x, p.q + (size_t)blockIdx.x * p.ldq, 0, p.n);
    if (threadIdx.x == 0) p.scale[blockIdx.x] = scale;
    mark(p.marks, MARK_END);
}

/* The norm and the product that follows it in one launch: every block normalises for itself, while its weights come in; its share of the new residual it
 * keeps. The norm's weights too are asked for before the kernel waits: nothing writes them. */
#ifdef HAVE_BULK
template <int WARPS> __device__ __forceinline__ void norm_stream(const norm_stream_args &p, uint8_t *memory) {
    __shared__ float scale;
    const stream_shared<WARPS, 1> m(p.product, memory);
    const stream_run r = stream_share<WARPS>(p.product);
    const int n = p.norm.n, blocks = gridDim.x, keep = (int)((long)n * blockIdx.x / blocks), end = (int)((long)n * (blockIdx.x + 1) / blocks);
    float *w = (float *)(memory + p.weights_at);
    mark(p.product.marks, MARK_BEGIN);
    stream_start(p.product, m, r);
#pragma unroll 1
    for (int i = threadIdx.x; i < n; i += WARPS * 32) async_copy4(w + i, p.norm.w + i);
    async_commit();
    let_later_start();
    wait_for_earlier();
    mark(p.product.marks, MARK_READY);
    async_wait<0>();
    const float s = norm_any<WARPS * 32>(p.norm, w, 0, (int8_t *)m.x, keep, end);
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
#define NORM_STREAM(warps) norm_stream<warps>(p, fused_memory)
#else
#define NORM_STREAM(warps)
#endif
extern "C" __global__ void __launch_bounds__(256, 4) norm_t2_stream_8x1(const norm_stream_args p)
{
    DYNAMIC_SHARED(uint8_t, fused_memory);
    NORM_STREAM(8);
}
extern "C" __global__ void __launch_bounds__(512, 2) norm_t2_stream_16x1(const norm_stream_args p)
{
    DYNAMIC_SHARED(uint8_t, fused_memory);
    NORM_STREAM(16);
}
