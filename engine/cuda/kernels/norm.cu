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
__device__ __forceinline__ float norm_first(const norm_args &p, int row, int i) {
    if (p.kind == NORM_RESIDUAL) return __ldcg(p.x + (size_t)row * p.n + i);
    if (p.kind != NORM_EMBEDDING) return __ldcg(p.x + norm_at(p, row, i));
    const int sequence = p.history_pitch ? row : 0;
    const size_t token = __ldcg(p.history + (size_t)sequence * p.history_pitch + p.state[sequence].position + row - sequence);
    return p.table ? p.table[token * p.n + i] : __fmul_rn(p.scales[token], (float)p.rows[token * p.n + i]);
}
__device__ __forceinline__ float norm_join(const norm_args &p, float first, float second) {
    if (p.kind == NORM_RESIDUAL) return __fadd_rn(first, second);
    if (p.kind != NORM_GATE) return first;
    const float g = fmaxf(first, 0.0f);
    return __fmul_rn(__fmul_rn(g, g), second);
}
__device__ __forceinline__ bool norm_keeps(const norm_args &p) { return p.kind == NORM_RESIDUAL || p.kind == NORM_EMBEDDING; }

/* A thread's first EACH weights, asked for before the kernel waits: nothing writes them. A norm within a product keeps few, so that the next launch's
 * blocks find registers beside it. */
template <int THREADS, int EACH> struct norm_weights {
    float kept[EACH];
    __device__ __forceinline__ explicit norm_weights(const norm_args &p) {
#pragma unroll
        for (int c = 0; c < EACH; c++) kept[c] = (int)threadIdx.x + c * THREADS < p.n ? p.w[threadIdx.x + c * THREADS] : 0.0f;
    }
};

/* A row into shared memory, its new residual kept. A thread asks for all its numbers before it uses the first: one by one, each would wait for the one
 * before, and a row of 6912 took 10 us on an H100 (2026-11-26). */
template <int THREADS, int EACH> __device__ __forceinline__ void norm_take(const norm_args &p, int row, float *values, bool keeps) {
    const int stride = norm_stride(p.n);
    const bool has_second = p.kind == NORM_RESIDUAL || p.kind == NORM_GATE;
    for (int base = threadIdx.x; base < p.n; base += EACH * THREADS) {
        float first[EACH], second[EACH] = {};
#pragma unroll
        for (int c = 0; c < EACH; c++) first[c] = base + c * THREADS < p.n ? norm_first(p, row, base + c * THREADS) : 0.0f;
        if (has_second)
#pragma unroll
            for (int c = 0; c < EACH; c++) second[c] = base + c * THREADS < p.n ? __ldcg(p.added + norm_at(p, row, base + c * THREADS)) : 0.0f;
#pragma unroll
        for (int c = 0; c < EACH; c++) {
            const int i = base + c * THREADS;
            const float v = norm_join(p, first[c], second[c]);
            if (i < p.n) values[norm_place(i, stride)] = v;
            if (i < p.n && keeps) p.kept[(size_t)row * p.n + i] = v;
        }
    }
}

/* q = quantise(norm(input) * w), zeros up to ldq, by one block; gives the scale to every thread. `values`: norm_bytes(n) of shared memory. */
template <int THREADS, int EACH>
__device__ __forceinline__ float norm_quantize(const norm_args &p, const norm_weights<THREADS, EACH> &w, int row, float *values, int8_t *q, bool keeps) {
    __shared__ float maxima[THREADS / 32], factor;
    const int stride = norm_stride(p.n);
    norm_take<THREADS, EACH>(p, row, values, keeps && norm_keeps(p));
    __syncthreads();
    if (threadIdx.x < 32) {
        const int lane = threadIdx.x & 15;
        const float s = tree16(partial_sum<true>(values + lane * stride, (p.n - lane + 15) / 16));
        if (threadIdx.x == 0) factor = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(s, (float)p.n), p.eps)));
    }
    __syncthreads();
    const float r = factor;
    float a = 1e-5f;
    const auto weigh = [&](int i, float weight) {
        float *value = values + norm_place(i, stride);
        *value = __fmul_rn(__fmul_rn(*value, r), weight);
        const float v = fabsf(*value);
        a = v > a ? v : a;
    };
#pragma unroll
    for (int c = 0; c < EACH; c++)
        if ((int)threadIdx.x + c * THREADS < p.n) weigh(threadIdx.x + c * THREADS, w.kept[c]);
    for (int i = threadIdx.x + EACH * THREADS; i < p.n; i += THREADS) weigh(i, p.w[i]);
    a = block_max(a, maxima);
    const float to_int = __fdiv_rn(127.0f, a);
    for (int i = threadIdx.x; i < p.ldq; i += THREADS) {
        const float v = i < p.n ? __fmul_rn(values[norm_place(i, stride)], to_int) : 0.0f;
        q[i] = !(v > -128.0f) ? -128 : v > 127.0f ? 127 : (int8_t)__float2int_rn(v);
    }
    return __fdiv_rn(a, 127.0f);
}

extern "C" __global__ void __launch_bounds__(NORM_THREADS) norm_f32_i8(const norm_args p)
{
    DYNAMIC_SHARED(float, norm_values);
    mark(p.marks, MARK_BEGIN);
    const norm_weights<NORM_THREADS, 16> w(p);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    const float scale = norm_quantize(p, w, blockIdx.x, norm_values, p.q + (size_t)blockIdx.x * p.ldq, true);
    if (threadIdx.x == 0) p.scale[blockIdx.x] = scale;
    mark(p.marks, MARK_END);
}

/* The norm and the product that follows it in one launch: every block normalises for itself, while its weights come in. */
#ifdef HAVE_BULK
template <int WARPS> __device__ __forceinline__ void norm_stream(const norm_stream_args &p, uint8_t *memory) {
    __shared__ float scale;
    const stream_shared<WARPS, 1> m(p.product, memory);
    const stream_run r = stream_share<WARPS>(p.product);
    mark(p.product.marks, MARK_BEGIN);
    stream_start(p.product, m, r);
    const norm_weights<WARPS * 32, 8> w(p.norm);
    let_later_start();
    wait_for_earlier();
    mark(p.product.marks, MARK_READY);
    const float s = norm_quantize(p.norm, w, 0, (float *)(memory + p.values_at), (int8_t *)m.x, blockIdx.x == 0);
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
extern "C" __global__ void __launch_bounds__(256) norm_t2_stream_8x1(const norm_stream_args p)
{
#ifdef HAVE_BULK
    DYNAMIC_SHARED(uint8_t, fused_memory);
    norm_stream<8>(p, fused_memory);
#endif
}
extern "C" __global__ void __launch_bounds__(512) norm_t2_stream_16x1(const norm_stream_args p)
{
#ifdef HAVE_BULK
    DYNAMIC_SHARED(uint8_t, fused_memory);
    norm_stream<16>(p, fused_memory);
#endif
}
