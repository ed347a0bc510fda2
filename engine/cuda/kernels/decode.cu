/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of a decode step around the ternary products, for one token. Floats are summed in the engine's one order
 * (core/sums.h: 16 partial sums, then halving), products and sums are separate operations, so every value has the CPU's bits.
 */
#include "decode.h"
#include "stream.cuh"

#ifndef CUDA_EMULATED
#include <cuda_fp16.h>
#endif

enum { NORM_THREADS = 512, LOGITS_THREADS = 256 };
enum { ATTEND_AHEAD = 8 }; /* positions a lane asks for at once */

/* partial sum of lane j < 16 of sixteen lanes -> the tree's sum in lane 0. */
__device__ __forceinline__ float tree16(float p) {
    const unsigned all = 0xFFFFFFFFu;
#pragma unroll
    for (int half = 8; half; half /= 2) p = __fadd_rn(p, __shfl_down_sync(all, p, half, 16));
    return p;
}

/* Lane j's partial sum of `each` numbers (or of their squares) that lie side by side from a multiple of 16 bytes, one after another. */
template <bool SQUARES> __device__ __forceinline__ float partial_sum(const float *row, int each) {
    float s = 0;
    int i = 0;
#pragma unroll 8
    for (; i + 4 <= each; i += 4) {
        float4 v = *(const float4 *)(row + i);
        if (SQUARES) v.x = __fmul_rn(v.x, v.x), v.y = __fmul_rn(v.y, v.y), v.z = __fmul_rn(v.z, v.z), v.w = __fmul_rn(v.w, v.w);
        s = __fadd_rn(__fadd_rn(__fadd_rn(__fadd_rn(s, v.x), v.y), v.z), v.w);
    }
    for (; i < each; i++) s = __fadd_rn(s, SQUARES ? __fmul_rn(row[i], row[i]) : row[i]);
    return s;
}

__device__ __forceinline__ float block_max(float a, float *shared) {
    for (int o = 16; o; o >>= 1) a = fmaxf(a, __shfl_xor_sync(~0u, a, o));
    if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = a;
    __syncthreads();
    a = shared[0];
    for (int i = 1; i < (int)blockDim.x / 32; i++) a = fmaxf(a, shared[i]);
    return a;
}

/* Element i of what is normalised (decode.h); one block keeps the new residual. */
__device__ __forceinline__ float norm_input(const norm_args &p, int i, bool keeps) {
    float v;
    if (p.kind == NORM_PLAIN) return __ldcg(p.x + i);
    if (p.kind == NORM_GATE) {
        const float g = fmaxf(__ldcg(p.x + i), 0.0f);
        return __fmul_rn(__fmul_rn(g, g), __ldcg(p.added + i));
    }
    if (p.kind == NORM_EMBEDDING) v = __fmul_rn(p.scales[p.token], (float)p.rows[(size_t)p.token * p.n + i]);
    else v = __fadd_rn(__ldcg(p.x + i), __ldcg(p.added + i));
    if (keeps) p.kept[i] = v;
    return v;
}

/* q = quantise(norm(input) * w), zeros up to ldq, by one block; gives the scale to every thread. `values`: norm_bytes(n) of shared memory. */
template <int THREADS> __device__ __forceinline__ float norm_quantize(const norm_args &p, float *values, int8_t *q, bool keeps) {
    __shared__ float maxima[THREADS / 32], factor;
    const int stride = norm_stride(p.n);
    for (int i = threadIdx.x; i < p.n; i += THREADS) values[norm_place(i, stride)] = norm_input(p, i, keeps);
    __syncthreads();
    if (threadIdx.x < 32) {
        const int lane = threadIdx.x & 15;
        const float s = tree16(partial_sum<true>(values + lane * stride, (p.n - lane + 15) / 16));
        if (threadIdx.x == 0) factor = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(s, (float)p.n), p.eps)));
    }
    __syncthreads();
    const float r = factor;
    float a = 1e-5f;
    for (int i = threadIdx.x; i < p.n; i += THREADS) {
        float *value = values + norm_place(i, stride);
        *value = __fmul_rn(__fmul_rn(*value, r), p.w[i]);
        const float v = fabsf(*value);
        a = v > a ? v : a;
    }
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
    let_later_start();
    wait_for_earlier();
    const float scale = norm_quantize<NORM_THREADS>(p, norm_values, p.q, true);
    if (threadIdx.x == 0) *p.scale = scale;
}

/* The norm and the product that follows it in one launch: every block normalises for itself, while its weights come in. */
#ifdef HAVE_BULK
template <int WARPS> __device__ __forceinline__ void norm_stream(const norm_stream_args &p, uint8_t *memory) {
    __shared__ float scale;
    const stream_shared<WARPS, 1> m(p.product, memory);
    const stream_run r = stream_share<WARPS>(p.product);
    stream_start(p.product, m, r);
    let_later_start();
    wait_for_earlier();
    const float s = norm_quantize<WARPS * 32>(p.norm, (float *)(memory + p.values_at), (int8_t *)m.x, blockIdx.x == 0);
    if (threadIdx.x == 0) scale = s;
    __syncthreads();
    stream_product(p.product, m, r);
    __syncthreads();
    stream_args q = p.product;
    q.sx = &scale;
    stream_store(q, m, r);
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

/* The engine's exp (simd/scalar_vector.c), operation by operation. */
__device__ __forceinline__ float exp_same(float x) {
    const float magic = 12582912.0f;
    const float t = __fadd_rn(__fmul_rn(x, 1.44269504f), magic), n = __fsub_rn(t, magic);
    const float r = __fsub_rn(__fsub_rn(x, __fmul_rn(n, 0.693359375f)), __fmul_rn(n, -2.12194440e-4f));
    float p = __fadd_rn(__fmul_rn(r, 1.0f / 720), 1.0f / 120);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f / 24);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f / 6);
    p = __fadd_rn(__fmul_rn(p, r), 0.5f);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f);
    const float scale = __int_as_float((int)((unsigned)__float_as_int(t) << 23) + 0x3f800000);
    return x > -87.0f ? __fmul_rn(p, scale) : 0.0f;
}

/* Rotates pair i of a head: halves (i, i + D/2). */
template <int D> __device__ __forceinline__ void rotate(const float *x, const float *cosine, const float *sine, int i, float *out) {
    const float a = __ldcg(x + i), b = __ldcg(x + i + D / 2), c = cosine[i], s = sine[i];
    out[i] = __fsub_rn(__fmul_rn(a, c), __fmul_rn(b, s));
    out[i + D / 2] = __fadd_rn(__fmul_rn(b, c), __fmul_rn(a, s));
}

/* Values of positions [tile * ATTEND_TILE, ...) before `end` into one of two tiles of shared memory, 16 bytes at a time; nobody waits here. */
template <int D> __device__ __forceinline__ void take_values(__half *tiles, const __half *values, int tile, int end) {
    const int first = tile * ATTEND_TILE, pieces = min(ATTEND_TILE, end - first) * (D / 8);
    __half *to = tiles + (tile & 1) * ATTEND_TILE * D;
    for (int i = threadIdx.x; i < pieces; i += ATTEND_THREADS)
        async_copy16(to + i * 8, values + (size_t)first * D + i * 8);
    async_commit();
}

/* Key rows of a lane: its elements of ATTEND_AHEAD positions, 32 apart. */
template <int D> struct key_rows {
    enum { EACH = D / 16 };
    __align__(16) __half row[ATTEND_AHEAD][EACH];
    __device__ __forceinline__ void take(const __half *keys, int first, int end) {
#pragma unroll
        for (int i = 0; i < ATTEND_AHEAD; i++) {
            const __half *from = keys + (size_t)max(0, min(first + i * 32, end - 1)) * D + (threadIdx.x & 15) * EACH;
            if (EACH == 8) *(uint4 *)row[i] = *(const uint4 *)from;
            else *(uint2 *)row[i] = *(const uint2 *)from;
        }
    }
};

/* scores[j] = (q . k[j]) / sqrt(D) for the positions before `end`; sixteen lanes take one position. `rows` holds the first ones. */
template <int D> __device__ __forceinline__ void score(float *scores, const float *q, const __half *keys, key_rows<D> &rows, int end) {
    const int lane16 = threadIdx.x & 15;
    const float shrink = __fdiv_rn(1.0f, __fsqrt_rn((float)D));
    float mine[D / 16];
#pragma unroll
    for (int c = 0; c < D / 16; c++) mine[c] = q[c * 16 + lane16];
    for (int j0 = 0; j0 < end; j0 += 32 * ATTEND_AHEAD) {
        key_rows<D> next;
        next.take(keys, j0 + 32 * ATTEND_AHEAD + threadIdx.x / 16, end);
#pragma unroll
        for (int i = 0; i < ATTEND_AHEAD; i++) {
            const int j = j0 + i * 32 + threadIdx.x / 16;
            float s = 0;
#pragma unroll
            for (int c = 0; c < D / 16; c++) s = __fadd_rn(s, __fmul_rn(mine[c], __half2float(rows.row[i][c])));
            s = tree16(s);
            if (lane16 == 0 && j < end) scores[j] = __fmul_rn(s, shrink);
        }
        rows = next;
    }
}

/* scores = softmax(scores), in the engine's order. */
__device__ __forceinline__ void softmax(float *scores, int n, float *maxima, float *share) {
    float most = scores[0];
    for (int j = threadIdx.x; j < n; j += ATTEND_THREADS) most = fmaxf(most, scores[j]);
    most = block_max(most, maxima);
    for (int j = threadIdx.x; j < n; j += ATTEND_THREADS) scores[j] = exp_same(__fsub_rn(scores[j], most));
    __syncthreads();
    if (threadIdx.x < 32) {
        float s = 0;
#pragma unroll 16
        for (int j = threadIdx.x & 15; j < n; j += 16) s = __fadd_rn(s, scores[j]);
        s = tree16(s);
        if (threadIdx.x == 0) *share = __fdiv_rn(1.0f, s);
    }
    __syncthreads();
    for (int j = threadIdx.x; j < n; j += ATTEND_THREADS) scores[j] = __fmul_rn(scores[j], *share);
    __syncthreads();
}

/* Element threadIdx.x of sum_j scores[j] v[j] over the positions before `end`, one after another. All threads fetch. */
template <int D> __device__ __forceinline__ float mix(const float *scores, __half *tiles, const __half *values, int end) {
    float y = 0;
    for (int tile = 0; tile * ATTEND_TILE < end; tile++) {
        async_wait<1>();
        __syncthreads();
        const __half *v = tiles + (tile & 1) * ATTEND_TILE * D + threadIdx.x;
        const int n = min(ATTEND_TILE, end - tile * ATTEND_TILE);
        if (threadIdx.x < D) {
#pragma unroll 16
            for (int j = 0; j < n; j++) y = __fadd_rn(y, __fmul_rn(scores[tile * ATTEND_TILE + j], __half2float(v[j * D])));
        }
        __syncthreads();
        take_values<D>(tiles, values, tile + 2, end);
    }
    return y;
}

/*
 * One head: o = sum_j softmax_j(q . k[j] / sqrt(D)) v[j] over positions 0 .. at, the last of which is the token's own. What the cache holds of
 * earlier positions is asked for before the kernel waits for the products that it follows: they do not write it. Keys lie as decode.h draws.
 * Shared memory: two tiles of values, scores.
 */
template <int D> __device__ __forceinline__ void attend(const attend_args &p, uint8_t *memory) {
    __shared__ float q[D], k[D], v[D], maxima[ATTEND_THREADS / 32], share;
    __half *tiles = (__half *)memory;
    float *scores = (float *)(memory + 2 * ATTEND_TILE * D * sizeof(__half));
    const int each = p.heads / p.groups, group = blockIdx.x / each, t = threadIdx.x;
    __half *keys = (__half *)p.keys + (size_t)group * p.context * D, *values = (__half *)p.values + (size_t)group * p.context * D;
    const float *own_k = p.qkv + p.heads * D + group * D, *own_v = own_k + p.groups * D;
    key_rows<D> rows;
    let_later_start();
    rows.take(keys, t / 16, p.at);
    take_values<D>(tiles, values, 0, p.at);
    take_values<D>(tiles, values, 1, p.at);
    wait_for_earlier();
    if (t < D / 2) rotate<D>(p.qkv + blockIdx.x * D, p.cosine, p.sine, t, q);
    else if (t < D) rotate<D>(own_k, p.cosine, p.sine, t - D / 2, k);
    else if (t < 2 * D) v[t - D] = __ldcg(own_v + t - D);
    __syncthreads();
    if (t < D) { /* what the cache holds is what is used: halves */
        const __half kh = __float2half_rn(k[t]), vh = __float2half_rn(v[t]);
        k[t] = __half2float(kh), v[t] = __half2float(vh);
        if (blockIdx.x % each == 0) {
            keys[(size_t)p.at * D + t % 16 * (D / 16) + t / 16] = kh;
            values[(size_t)p.at * D + t] = vh;
        }
    }
    __syncthreads();
    score<D>(scores, q, keys, rows, p.at);
    if (t < 32) { /* the token's own position */
        float s = 0;
        for (int c = 0; c < D / 16; c++) s = __fadd_rn(s, __fmul_rn(q[c * 16 + (t & 15)], k[c * 16 + (t & 15)]));
        s = tree16(s);
        if (t == 0) scores[p.at] = __fmul_rn(s, __fdiv_rn(1.0f, __fsqrt_rn((float)D)));
    }
    __syncthreads();
    softmax(scores, p.at + 1, maxima, &share);
    const float y = mix<D>(scores, tiles, values, p.at);
    if (t < D) p.out[blockIdx.x * D + t] = __fadd_rn(y, __fmul_rn(scores[p.at], v[t]));
}

extern "C" __global__ void __launch_bounds__(ATTEND_THREADS) attend_f16_64(const attend_args p)
{
    DYNAMIC_SHARED(uint8_t, attend_memory);
    attend<64>(p, attend_memory);
}
extern "C" __global__ void __launch_bounds__(ATTEND_THREADS) attend_f16_128(const attend_args p)
{
    DYNAMIC_SHARED(uint8_t, attend_memory);
    attend<128>(p, attend_memory);
}

/* logits[r] = (scale * scales[r]) * (rows[r] . q): a warp takes four rows at a time, a lane every 32nd piece of 16 bytes. */
extern "C" __global__ void __launch_bounds__(LOGITS_THREADS) logits_i8(const logits_args p)
{
    enum { ROWS = 4 };
    DYNAMIC_SHARED(uint4, q);
    const int lane = threadIdx.x & 31, warps = gridDim.x * (LOGITS_THREADS / 32), pieces = p.width / 16;
    let_later_start();
    wait_for_earlier();
    for (int i = threadIdx.x; i < pieces; i += LOGITS_THREADS) q[i] = __ldcg((const uint4 *)p.q + i);
    __syncthreads();
    const float scale = *p.scale;
    for (int r0 = (blockIdx.x * (LOGITS_THREADS / 32) + threadIdx.x / 32) * ROWS; r0 < p.vocabulary; r0 += warps * ROWS) {
        int sums[ROWS] = {};
#pragma unroll 5
        for (int i = lane; i < pieces; i += 32) {
            const uint4 x = q[i];
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const uint4 w = __ldcs((const uint4 *)(p.rows + (size_t)min(r0 + r, p.vocabulary - 1) * p.width) + i);
                sums[r] = __dp4a((int)w.x, (int)x.x, __dp4a((int)w.y, (int)x.y, __dp4a((int)w.z, (int)x.z, __dp4a((int)w.w, (int)x.w, sums[r]))));
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            for (int o = 16; o; o >>= 1) sums[r] += __shfl_xor_sync(~0u, sums[r], o);
            if (lane == r && r0 + r < p.vocabulary) p.logits[r0 + r] = __fmul_rn(__fmul_rn(scale, p.scales[r0 + r]), (float)sums[r]);
        }
    }
}
