/* SPDX-License-Identifier: Apache-2.0
 *
 * Norms with what is done before and after them (norm.h), a block a row.
 */
#include "embedding.cuh"
#include "norm.h"
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

/* A block normalises a row: thread t has elements t, t + NORM_THREADS, …, whose squares are a partial sum of its own. The first EACH are in registers;
 * more it makes again from what they come from, in each of the three rounds. A thread asks for all its numbers before it uses the first. */
template <int EACH> struct norm_row {
    enum { THREADS = NORM_THREADS, WARPS = THREADS / 32 };
    static_assert((int)NORM_THREADS == (int)NORM_PARTIALS, "a thread has one partial sum");
    float v[EACH], s;

    __device__ __forceinline__ void add(float x) { s = __fadd_rn(s, __fmul_rn(x, x)); }
    /* Calls f(i) for the elements that are not in registers. */
    template <class F> __device__ __forceinline__ void each_beyond(int n, F f) {
#pragma unroll 1
        for (int i = threadIdx.x + EACH * THREADS; i < n; i += THREADS) f(i);
    }

    /* What is a residual is kept. */
    __device__ __forceinline__ void take(const norm_args &p, const norm_source &from, int row) {
        float second[EACH];
        const int last = p.n - 1, t = threadIdx.x;
#pragma unroll
        for (int c = 0; c < EACH; c++) v[c] = from.take_first(min(t + c * THREADS, last));
#pragma unroll
        for (int c = 0; c < EACH; c++) second[c] = from.take_second(min(t + c * THREADS, last));
        s = 0;
        const auto kept = [&](int i, float x) {
            if (p.kind == NORM_RESIDUAL && i <= last) p.kept[(size_t)row * p.n + i] = x;
        };
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            v[c] = t + c * THREADS <= last ? from.join(v[c], second[c]) : 0.0f;
            add(v[c]);
            kept(t + c * THREADS, v[c]);
        }
        each_beyond(p.n, [&](int i) {
            const float x = from(i);
            add(x);
            kept(i, x);
        });
    }

    /* q = quantise(norm * w), zeros up to ldq; gives the scale to every thread. */
    __device__ __forceinline__ float quantize(const norm_args &p, const norm_source &from, int8_t *q) {
        __shared__ float partial[THREADS];
        __shared__ unsigned maxima[WARPS];
        const float r = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(block_sum<WARPS>(s, partial), (float)p.n), p.eps)));
        const int last = p.n - 1, t = threadIdx.x;
        const auto beyond = [&](int i) { return __fmul_rn(__fmul_rn(from(i), r), p.w[i]); };
        float a = 1e-5f;
        const auto raise = [&](float x) { a = fabsf(x) > a ? fabsf(x) : a; };
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            const float x = __fmul_rn(__fmul_rn(v[c], r), p.w[min(t + c * THREADS, last)]);
            v[c] = t + c * THREADS <= last ? x : 0.0f;
            raise(v[c]);
        }
        each_beyond(p.n, [&](int i) { raise(beyond(i)); });
        a = block_max<WARPS>(a, maxima);
        const float to_int = __fdiv_rn(127.0f, a);
#pragma unroll
        for (int c = 0; c < EACH; c++)
            if (t + c * THREADS < p.ldq) q[t + c * THREADS] = to_int8(__fmul_rn(v[c], to_int));
        each_beyond(p.ldq, [&](int i) { q[i] = i < p.n ? to_int8(__fmul_rn(beyond(i), to_int)) : 0; });
        return __fdiv_rn(a, 127.0f);
    }

    __device__ __forceinline__ void run(const norm_args &p, int row) {
        const norm_source from(p, row);
        take(p, from, row);
        const float scale = quantize(p, from, p.q + (size_t)row * p.ldq);
        if (threadIdx.x == 0) p.scale[row] = scale;
    }
};

/* The embedding's rows of tokens, a block a row. */
extern "C" __global__ void __launch_bounds__(NORM_THREADS) embed_f32(const embed_args p)
{
    let_later_start();
    wait_for_earlier();
    const int row = blockIdx.x;
    const size_t token = embedded_token(p, row);
    for (int i = threadIdx.x; i < p.n; i += NORM_THREADS) p.x[(size_t)row * p.n + i] = embedded(p, token, i);
}

extern "C" __global__ void __launch_bounds__(NORM_THREADS) norm_f32_i8(const norm_args p)
{
    mark(p.marks, MARK_BEGIN);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    if (p.n <= NORM_FEW * NORM_THREADS) norm_row<NORM_FEW>().run(p, blockIdx.x);
    else norm_row<NORM_MANY>().run(p, blockIdx.x);
    mark(p.marks, MARK_END);
}
