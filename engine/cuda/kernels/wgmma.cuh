/* SPDX-License-Identifier: Apache-2.0
 *
 * wgmma.m64nNk32 on signed bytes: c[64][N] += a[64][32] * b[N][32]^T, a in registers (CUDA_TILE order), b in shared memory
 * in rows of 128 bytes under the 128-byte swizzle. A thread of the warpgroup holds N / 2 sums: register 4j + i is row
 * 16 * warp + lane / 4 + 8 * (i >> 1), column 8j + 2 * (lane % 4) + (i & 1).  Source: PTX ISA 9.0, "wgmma.mma_async".
 */
#ifndef CUDA_WGMMA_CUH
#define CUDA_WGMMA_CUH

#include "device.cuh"

#ifdef HAVE_WGMMA

__device__ __forceinline__ void wgmma_fence(void) { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit(void) { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int LEFT> __device__ __forceinline__ void wgmma_wait(void) { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory"); }

/* Matrix descriptor of a tile that starts at a 1024-byte boundary: 128-byte rows, eight rows every 1024 bytes. */
__device__ __forceinline__ uint64_t wgmma_descriptor(unsigned address) {
    return (uint64_t)((address & 0x3FFFF) >> 4) | (uint64_t)1 << 16 | (uint64_t)(1024 >> 4) << 32 | (uint64_t)1 << 62;
}

#define SUMS4(i) "+r"(c[i]), "+r"(c[i + 1]), "+r"(c[i + 2]), "+r"(c[i + 3])
#define SUMS8(i) SUMS4(i), SUMS4(i + 4)
#define SUMS16(i) SUMS8(i), SUMS8(i + 8)
#define SUMS32(i) SUMS16(i), SUMS16(i + 16)
#define SUMS64(i) SUMS32(i), SUMS32(i + 32)
#define SUMS128(i) SUMS64(i), SUMS64(i + 64)

template <int N> struct wgmma;
template <> struct wgmma<8> {
    static __device__ __forceinline__ void product(int (&c)[4], const unsigned (&a)[4], uint64_t b) {
        asm volatile(
            "wgmma.mma_async.sync.aligned.m64n8k32.s32.s8.s8 {"
            "%0,%1,%2,%3"
            "}, {%4,%5,%6,%7}, %8, 1;"
            : SUMS4(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
    }
};
template <> struct wgmma<16> {
    static __device__ __forceinline__ void product(int (&c)[8], const unsigned (&a)[4], uint64_t b) {
        asm volatile(
            "wgmma.mma_async.sync.aligned.m64n16k32.s32.s8.s8 {"
            "%0,%1,%2,%3,%4,%5,%6,%7"
            "}, {%8,%9,%10,%11}, %12, 1;"
            : SUMS8(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
    }
};
template <> struct wgmma<32> {
    static __device__ __forceinline__ void product(int (&c)[16], const unsigned (&a)[4], uint64_t b) {
        asm volatile(
            "wgmma.mma_async.sync.aligned.m64n32k32.s32.s8.s8 {"
            "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
            "}, {%16,%17,%18,%19}, %20, 1;"
            : SUMS16(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
    }
};
template <> struct wgmma<64> {
    static __device__ __forceinline__ void product(int (&c)[32], const unsigned (&a)[4], uint64_t b) {
        asm volatile(
            "wgmma.mma_async.sync.aligned.m64n64k32.s32.s8.s8 {"
            "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
            "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
            "}, {%32,%33,%34,%35}, %36, 1;"
            : SUMS32(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
    }
};
template <> struct wgmma<128> {
    static __device__ __forceinline__ void product(int (&c)[64], const unsigned (&a)[4], uint64_t b) {
        asm volatile(
            "wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8 {"
            "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
            "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
            "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
            "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
            "}, {%64,%65,%66,%67}, %68, 1;"
            : SUMS64(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
    }
};
template <> struct wgmma<256> {
    static __device__ __forceinline__ void product(int (&c)[128], const unsigned (&a)[4], uint64_t b) {
        asm volatile(
            "wgmma.mma_async.sync.aligned.m64n256k32.s32.s8.s8 {"
            "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
            "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
            "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
            "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,"
            "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,"
            "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,"
            "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,"
            "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
            "}, {%128,%129,%130,%131}, %132, 1;"
            : SUMS128(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
    }
};

#endif
#endif
