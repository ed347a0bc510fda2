/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention of one token over a panel of 64 positions that lies in shared memory, in the CPU's order (model/attend.h).
 */
#ifndef CUDA_PANEL_CUH
#define CUDA_PANEL_CUH

#include "cache.cuh"

/* Scores of the panel's first n positions, a warp a head and two positions a lane; -infinity behind them. Gives the largest. */
template <class T> __device__ __forceinline__ float score_panel(const float *q, const T *keys, const float *scales, float *scores, int d, int n) {
    const int j = 2 * (threadIdx.x & 31);
    const several<T, 2> *pair = (const several<T, 2> *)(keys + j);
    const float scale0 = is_int8<T>::VALUE ? scales[j] : 1, scale1 = is_int8<T>::VALUE ? scales[j + 1] : 1, none = -__int_as_float(0x7f800000);
    float s0 = 0, s1 = 0;
#pragma unroll 4
    for (int i = 0; i < d; i += 4) {
        const float4 x = *(const float4 *)(q + i);
        const float xs[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const several<T, 2> v = pair[(i + k) * (KEY_PANEL / 2)];
            s0 = __fmaf_rn(xs[k], widen(v.v[0], scale0), s0);
            s1 = __fmaf_rn(xs[k], widen(v.v[1], scale1), s1);
        }
    }
    s0 = j < n ? s0 : none, s1 = j + 1 < n ? s1 : none;
    *(several<float, 2> *)(scores + j) = {{s0, s1}};
    return float_of_order(__reduce_max_sync(~0u, float_order(fmaxf(s0, s1))));
}

/* Scores of positions 32 * half + lane of a panel, of which the first n count, a warp for half of them; -infinity behind them. Gives the largest. */
template <class T> __device__ __forceinline__ float score_half_panel(const float *q, const T *keys, const float *scales, float *scores, int d, int n, int half) {
    const int j = 32 * half + (threadIdx.x & 31);
    const float scale = is_int8<T>::VALUE ? scales[j] : 1;
    float s = 0;
#pragma unroll 8
    for (int i = 0; i < d; i += 4) {
        const float4 x = *(const float4 *)(q + i);
        const float xs[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
        for (int k = 0; k < 4; k++) s = __fmaf_rn(xs[k], widen(keys[(i + k) * KEY_PANEL + j], scale), s);
    }
    scores[j] = s = j < n ? s : -__int_as_float(0x7f800000);
    return float_of_order(__reduce_max_sync(~0u, float_order(s)));
}

/* Two chains over the first n positions of a panel. Eight at a time, so that the chains do not wait for the loads. */
template <class T> __device__ __forceinline__ several<float, 2> mix_panel(const float *weights, const float *scales, const T *v, int pitch, int n) {
    several<float, 2> y = {{0, 0}};
    const auto add = [&](float weight, const several<T, 2> &value, float scale) {
#pragma unroll
        for (int i = 0; i < 2; i++) y.v[i] = __fmaf_rn(weight, widen(value.v[i], scale), y.v[i]);
    };
    int j = 0;
    for (; j + 8 <= n; j += 8) {
        const float4 low = *(const float4 *)(weights + j), high = *(const float4 *)(weights + j + 4);
        const float w[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
        several<T, 2> pairs[8];
#pragma unroll
        for (int k = 0; k < 8; k++) pairs[k] = *(const several<T, 2> *)(v + (j + k) * pitch);
#pragma unroll
        for (int k = 0; k < 8; k++) add(w[k], pairs[k], is_int8<T>::VALUE ? scales[j + k] : 1);
    }
#pragma unroll 1
    for (; j < n; j++) add(weights[j], *(const several<T, 2> *)(v + j * pitch), is_int8<T>::VALUE ? scales[j] : 1);
    return y;
}

#endif
