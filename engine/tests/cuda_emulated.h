/* SPDX-License-Identifier: Apache-2.0
 *
 * A card on the CPU, slow and exact, for testing kernels where there is none: threads of a block are fibres of one thread, which change
 * at barriers, shuffles and matrix products only; blocks run one after another, those of a cluster, and of a launch whose blocks wait for each other, by turns. It knows what the kernels in engine/cuda/kernels use except the warpgroup's matrix product and tensor copies. Copies into shared memory happen at once, but barriers count
 * their bytes and phases, so a wait that the hardware would not end does not end here either (the test is then killed).
 */
#ifndef CUDA_EMULATED_H
#define CUDA_EMULATED_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HAVE_BULK 1
#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define DYNAMIC_SHARED(type, name) type *name = (type *)emulated_shared

struct uint3_ { unsigned x, y, z; };
struct int2 { int x, y; } __attribute__((aligned(8)));
struct uint2 { unsigned x, y; } __attribute__((aligned(8)));
struct uint4 { unsigned x, y, z, w; } __attribute__((aligned(16)));
struct float4 { float x, y, z, w; } __attribute__((aligned(16)));
struct char4 { signed char x, y, z, w; } __attribute__((aligned(4)));
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return uint4{x, y, z, w}; }

enum { EMULATED_SHARED_BYTES = 232448 };
extern unsigned char *emulated_shared;
extern uint3_ emulated_thread, blockIdx, blockDim, gridDim; /* of the fibre at hand */
#define threadIdx emulated_thread

/* Leaves this fibre until the others have had a turn; barriers of a warp and of the block. */
void emulated_yield();
void __syncwarp();
void __syncthreads();
static inline void __threadfence() {}
/* What every lane of the warp put in. */
uint64_t *emulated_lanes();

static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
template <class T> T __ldcg(const T *p) { return *p; }
template <class T> T __ldcs(const T *p) { return *p; }
static inline uint4 load_streaming(const uint4 *p) { return *p; }
static inline int atomicAdd(int *p, int v) { int before = *p; *p += v; return before; }

static inline unsigned long long atomicMax(unsigned long long *p, unsigned long long v) { unsigned long long before = *p; *p = v > before ? v : before; return before; }

static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline int __float2int_rn(float a) { return (int)lrintf(a); }
static inline int __float_as_int(float a) { int i; memcpy(&i, &a, 4); return i; }
static inline float __int_as_float(int i) { float a; memcpy(&a, &i, 4); return a; }
static inline int __dp4a(int a, int b, int c)
{
    for (int i = 0; i < 4; i++) c += (int8_t)(a >> 8 * i) * (int8_t)(b >> 8 * i);
    return c;
}

extern "C" float tern_half_to_float(uint16_t half);
extern "C" uint16_t tern_float_to_half(float x);
struct __half { uint16_t bits; };
static inline float __half2float(__half h) { return tern_half_to_float(h.bits); }
static inline __half __float2half_rn(float f) { return __half{tern_float_to_half(f)}; }

template <class T> T emulated_exchange(T v, int from)
{
    uint64_t *lanes = emulated_lanes(), mine = 0;
    T got;
    memcpy(&mine, &v, sizeof v);
    lanes[threadIdx.x & 31] = mine;
    __syncwarp();
    memcpy(&got, &lanes[from & 31], sizeof got);
    __syncwarp();
    return got;
}
template <class T> T __shfl_xor_sync(unsigned, T v, int mask) { return emulated_exchange(v, (int)(threadIdx.x & 31) ^ mask); }
template <class T> T __shfl_sync(unsigned, T v, int from) { return emulated_exchange(v, from); }
template <class T> T __shfl_down_sync(unsigned, T v, int down, int width = 32)
{
    const int lane = (int)(threadIdx.x & 31), to = lane % width + down < width ? lane + down : lane;
    return emulated_exchange(v, to);
}

static inline unsigned __reduce_max_sync(unsigned all, unsigned v)
{
    for (int mask = 16; mask; mask >>= 1) {
        const unsigned other = __shfl_xor_sync(all, v, mask);
        v = other > v ? other : v;
    }
    return v;
}

static inline uint64_t card_time() { static uint64_t t; return ++t; }

void mma_16x8x32(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1);

/* Clusters of blocks. */
#define IN_CLUSTERS(blocks)
unsigned char *emulated_shared_of(int rank);
template <class T> T *in_block(T *p, int rank) { return (T *)(emulated_shared_of(rank) + ((unsigned char *)p - emulated_shared)); }
void cluster_arrive();
void cluster_wait();

static inline void wait_for_earlier() {}
static inline void let_later_start() {}
static inline unsigned shared_address(const void *p) { return (unsigned)((const unsigned char *)p - emulated_shared); }
static inline void store_word(uint64_t *to, uint64_t word) { *to = word; }
static inline uint64_t load_word(const uint64_t *from) { return *from; }
static inline void let_others_run() { emulated_yield(); }
static inline void prefetch_near(const void *) {}
static inline uint4 load_shared(unsigned address) { return *(const uint4 *)(emulated_shared + address); }
static inline void async_copy16(void *to, const void *from) { memcpy(to, from, 16); }
static inline void async_copy4(void *to, const void *from) { memcpy(to, from, 4); }
static inline void async_commit() {}
template <int LEFT> void async_wait() {}

void barrier_init(unsigned barrier, unsigned arrivals);
static inline void barrier_publish() {}
void barrier_expect(unsigned barrier, unsigned bytes);
void barrier_arrive(unsigned barrier);
void bulk_copy(unsigned to, const void *from, unsigned bytes, unsigned barrier);
void barrier_wait(unsigned barrier, unsigned parity);

#endif
