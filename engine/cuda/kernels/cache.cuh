/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements of the cache of keys and values (session.h), and rows of them over a warp: rotated, scaled, kept. Every value has the CPU's bits.
 */
#ifndef CUDA_CACHE_CUH
#define CUDA_CACHE_CUH

#include "arguments.h"
#include "session.h"
#include "sums.cuh"

#ifndef CUDA_EMULATED
#include <cuda_fp16.h>
#endif

__device__ __forceinline__ float widen(float v, float) { return v; }
__device__ __forceinline__ float widen(__half v, float) { return __half2float(v); }
__device__ __forceinline__ float widen(int8_t v, float scale) { return __fmul_rn(scale, (float)v); }

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
        const int i = min((int)(threadIdx.x & 31) + 32 * c, d / 2 - 1); /* without a branch, so that no load waits for another */
        r.low[c] = __ldcg(x + i);
        r.high[c] = __ldcg(x + i + d / 2);
    }
    r.to_int = r.scale = 1;
    return r;
}

/* Cosines and sines of a position, for the lane's pairs. */
struct warp_angles {
    float cosine[2], sine[2];
};

__device__ __forceinline__ warp_angles take_angles(const attend_args &p, int position) {
    const int half = p.cache.d / 2;
    warp_angles a;
#pragma unroll
    for (int c = 0; c < 2; c++) {
        const int i = min((int)(threadIdx.x & 31) + 32 * c, half - 1);
        a.cosine[c] = p.cosine[(size_t)position * half + i];
        a.sine[c] = p.sine[(size_t)position * half + i];
    }
    return a;
}

__device__ __forceinline__ void rotate_row(warp_row &r, const warp_angles &angles) {
#pragma unroll
    for (int c = 0; c < 2; c++) {
        const float a = r.low[c], b = r.high[c], co = angles.cosine[c], si = angles.sine[c];
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
/* name: of the elements' type */
#define EACH_CACHE(kernel) kernel(f32, float) kernel(f16, __half) kernel(i8, int8_t)

#endif
