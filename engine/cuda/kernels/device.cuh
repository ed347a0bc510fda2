/* SPDX-License-Identifier: Apache-2.0
 *
 * Thin names for the PTX instructions the kernels use: matrix products, bulk copies with their barriers, and the order
 * between dependent launches. Shared-memory addresses are 32-bit (`shared_address`). Source: PTX ISA 9.0.
 */
#ifndef CUDA_DEVICE_CUH
#define CUDA_DEVICE_CUH

#include <stdint.h>

#include "layout.h"

#ifdef CUDA_EMULATED
#include "tests/cuda_emulated.h" /* the same names on the CPU, for tests */
#else

#define DYNAMIC_SHARED(type, name) extern __shared__ __align__(1024) type name[]

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define HAVE_BULK 1
#endif
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define HAVE_WGMMA 1
#endif

/* c[16][8] += a[16][32] * b[32][8], signed bytes. */
__device__ __forceinline__ void mma_16x8x32(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ uint4 load_streaming(const uint4 *p) { return __ldcs(p); }

/* The card's clock, nanoseconds. */
__device__ __forceinline__ uint64_t card_time() {
    uint64_t t;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
    return t;
}

/* Dependent launches: nothing that an earlier kernel of the stream writes may be read before `wait_for_earlier`. */
__device__ __forceinline__ void wait_for_earlier() {
#ifdef HAVE_BULK
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
__device__ __forceinline__ void let_later_start() {
#ifdef HAVE_BULK
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/* Blocks of a cluster: to the others' shared memory, and a barrier of all their threads in two halves. */
#ifdef HAVE_BULK
#define IN_CLUSTERS(blocks) __cluster_dims__(blocks, 1, 1)
template <class T> __device__ __forceinline__ T *in_block(T *p, int rank) {
    T *there;
    asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(p), "r"(rank));
    return there;
}
__device__ __forceinline__ void cluster_arrive() { asm volatile("barrier.cluster.arrive;" ::: "memory"); }
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait;" ::: "memory"); }
#else
#define IN_CLUSTERS(blocks)
template <class T> __device__ __forceinline__ T *in_block(T *p, int) { return p; }
__device__ __forceinline__ void cluster_arrive() {}
__device__ __forceinline__ void cluster_wait() { __syncthreads(); }
#endif

#ifdef HAVE_BULK
__device__ __forceinline__ unsigned shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

__device__ __forceinline__ void barrier_init(unsigned barrier, unsigned arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
/* Makes initialised barriers visible to the copy engine. */
__device__ __forceinline__ void barrier_publish() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void barrier_expect(unsigned barrier, unsigned bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
__device__ __forceinline__ void barrier_arrive(unsigned barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
__device__ __forceinline__ bool barrier_done(unsigned barrier, unsigned parity) {
    unsigned done;
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                 : "=r"(done) : "r"(barrier), "r"(parity) : "memory");
    return done != 0;
}
__device__ __forceinline__ void barrier_wait(unsigned barrier, unsigned parity) {
    while (!barrier_done(barrier, parity)) {}
}
/* Copies `bytes` (a multiple of 16) of global memory; the barrier counts them as they land. */
__device__ __forceinline__ void bulk_copy(unsigned to, const void *from, unsigned bytes, unsigned barrier) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from),
                 "r"(bytes), "r"(barrier) : "memory");
}
/* Copies the box of a 3-D tensor map that starts at (0, y, z). */
__device__ __forceinline__ void tensor_copy(unsigned to, const void *map, int y, int z, unsigned barrier) {
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(to),
                 "l"(map), "r"(0), "r"(y), "r"(z), "r"(barrier) : "memory");
}
__device__ __forceinline__ void tensor_prefetch(const void *map) { asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"); }
/* A barrier of some of the block's threads. */
__device__ __forceinline__ void part_sync(int id, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
#endif

/* Copies 16 bytes into shared memory without waiting; copies are committed in groups, and waited for until at most LEFT groups are on the way. */
__device__ __forceinline__ void async_copy16(void *to, const void *from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from) : "memory");
}
__device__ __forceinline__ void async_copy4(void *to, const void *from) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from) : "memory");
}
__device__ __forceinline__ void async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int LEFT> __device__ __forceinline__ void async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory"); }

/* A word that other blocks write, or read, while the kernel runs. */
__device__ __forceinline__ void store_word(uint64_t *to, uint64_t word) { asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(to), "l"(word) : "memory"); }
__device__ __forceinline__ uint64_t load_word(const uint64_t *from) {
    uint64_t word;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(word) : "l"(from) : "memory");
    return word;
}
__device__ __forceinline__ void let_others_run() {}
/* Asks for a line of global memory to be in the second cache. */
__device__ __forceinline__ void prefetch_near(const void *p) { asm volatile("prefetch.global.L2 [%0];" ::"l"(p)); }

__device__ __forceinline__ uint4 load_shared(unsigned address) {
    uint4 v;
    asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(address));
    return v;
}

#endif

/* Notes the time of moment i in a launch's marks. */
__device__ __forceinline__ void mark(uint64_t *marks, int i) {
    if (marks && !(threadIdx.x | blockIdx.x | blockIdx.y)) marks[i] = card_time();
}

/* The A registers of k-step `f` out of a lane's 16 packed bytes: signed bytes 64 * t. */
__device__ __forceinline__ void unpack_step(unsigned (&a)[4], const uint4 &v, int f) {
    const unsigned mask = 0xC0C0C0C0u;
    const int shift = 6 - 2 * f;
    a[0] = (v.x << shift) & mask;
    a[1] = (v.y << shift) & mask;
    a[2] = (v.z << shift) & mask;
    a[3] = (v.w << shift) & mask;
}

#endif
