/* SPDX-License-Identifier: Apache-2.0 */
#define CUDA_EMULATED 1
#include "cuda/kernels/all.cu"
#include "tests/cuda_emulated_launch.h"

#include <stdlib.h>
#include <ucontext.h>

enum { THREADS_MOST = 1024, STACK_BYTES = 65536, BARRIERS = EMULATED_SHARED_BYTES / 8 };

unsigned char *emulated_shared;
uint3_ emulated_thread, blockIdx, blockDim, gridDim;

struct meeting {
    unsigned arrived, generation;
};
struct fibre {
    ucontext_t context;
    bool is_done;
};
struct copy_barrier {
    int arrivals, pending, bytes;
    unsigned phase;
};

static fibre fibres[THREADS_MOST];
static ucontext_t scheduler;
static meeting warps[THREADS_MOST / 32], block;
static uint64_t lanes[THREADS_MOST / 32][32];
static copy_barrier barriers[BARRIERS];
static char *stacks;
static const emulated_kernel *kernel;
static const void *kernel_arguments;

/* ---- fibres */

void emulated_yield()
{
    swapcontext(&fibres[emulated_thread.x].context, &scheduler);
}

static void meet(meeting *m, unsigned all)
{
    const unsigned generation = m->generation;
    if (++m->arrived == all) {
        m->arrived = 0;
        m->generation++;
        return;
    }
    while (m->generation == generation) emulated_yield();
}

void __syncwarp()
{
    meet(&warps[emulated_thread.x / 32], 32);
}

void __syncthreads()
{
    meet(&block, blockDim.x);
}

uint64_t *emulated_lanes()
{
    return lanes[emulated_thread.x / 32];
}

static void enter()
{
    kernel->run(kernel_arguments);
    fibres[emulated_thread.x].is_done = true;
    emulated_yield();
}

static void start(unsigned thread)
{
    fibre *f = &fibres[thread];
    f->is_done = false;
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = stacks + (size_t)thread * STACK_BYTES;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = nullptr;
    makecontext(&f->context, enter, 0);
}

static void run_block()
{
    unsigned left = blockDim.x;
    memset(warps, 0, sizeof warps);
    memset(&block, 0, sizeof block);
    memset(emulated_shared, 0xA5, EMULATED_SHARED_BYTES); /* as undefined as shared memory is */
    for (unsigned t = 0; t < blockDim.x; t++) start(t);
    while (left)
        for (unsigned t = 0; t < blockDim.x; t++) {
            if (fibres[t].is_done) continue;
            emulated_thread.x = t;
            swapcontext(&scheduler, &fibres[t].context);
            left -= fibres[t].is_done;
        }
}

/* ---- matrix product, copies */

void mma_16x8x32(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1)
{
    static unsigned as[THREADS_MOST / 32][32][4], bs[THREADS_MOST / 32][32][2];
    const unsigned warp = emulated_thread.x / 32, lane = emulated_thread.x % 32;
    memcpy(as[warp][lane], a, sizeof a);
    bs[warp][lane][0] = b0;
    bs[warp][lane][1] = b1;
    __syncwarp();
    for (int i = 0; i < 4; i++) {
        const unsigned row = lane / 4 + (i >> 1) * 8, column = (lane & 3) * 2 + (i & 1);
        for (unsigned k = 0; k < 32; k++) {
            const unsigned x = as[warp][row % 8 * 4 + k % 16 / 4][row / 8 + k / 16 * 2], y = bs[warp][column * 4 + k % 16 / 4][k / 16];
            c[i] += (int8_t)(x >> 8 * (k % 4)) * (int8_t)(y >> 8 * (k % 4));
        }
    }
    __syncwarp();
}

static void finish_phase(copy_barrier *b)
{
    if (b->pending || b->bytes) return;
    b->phase++;
    b->pending = b->arrivals;
}

void barrier_init(unsigned barrier, unsigned arrivals)
{
    barriers[barrier / 8] = {(int)arrivals, (int)arrivals, 0, 0};
}

void barrier_expect(unsigned barrier, unsigned bytes)
{
    copy_barrier *b = &barriers[barrier / 8];
    b->bytes += (int)bytes;
    b->pending--;
    finish_phase(b);
}

void bulk_copy(unsigned to, const void *from, unsigned bytes, unsigned barrier)
{
    copy_barrier *b = &barriers[barrier / 8];
    memcpy(emulated_shared + to, from, bytes);
    b->bytes -= (int)bytes;
    finish_phase(b);
}

void barrier_wait(unsigned barrier, unsigned parity)
{
    while ((barriers[barrier / 8].phase & 1) == parity) emulated_yield();
}

/* ---- launches */

#define KERNEL(name, type) {#name, [](const void *p) { name(*(const type *)p); }},
#undef STREAM
#undef GEMM
#undef PORTABLE
static const emulated_kernel kernels[] = {
#define STREAM(warps, columns) KERNEL(matmul_t2_i8_stream_##warps##x##columns, stream_args)
#define GEMM(batch, groups, slices, quads)
#define PORTABLE(warps, tiles, columns) KERNEL(matmul_t2_i8_portable_##warps##x##tiles##x##columns, stream_args)
#include "cuda/kernels/linear.def"
    KERNEL(norm_f32_i8, norm_args) KERNEL(norm_t2_stream_8x1, norm_stream_args) KERNEL(norm_t2_stream_16x1, norm_stream_args)
    KERNEL(attend_f16_64, attend_args) KERNEL(attend_f16_128, attend_args) KERNEL(logits_i8, logits_args)
};

int emulated_launch(const char *name, const unsigned grid[2], unsigned threads, const void *arguments)
{
    kernel = nullptr;
    for (const emulated_kernel &k : kernels)
        if (!strcmp(k.name, name)) kernel = &k;
    if (!kernel || threads > THREADS_MOST || threads % 32) return 0;
    kernel_arguments = arguments;
    emulated_shared = (unsigned char *)aligned_alloc(1024, EMULATED_SHARED_BYTES);
    stacks = (char *)malloc((size_t)THREADS_MOST * STACK_BYTES);
    gridDim = {grid[0], grid[1], 1};
    blockDim = {threads, 1, 1};
    for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++) run_block();
    free(stacks);
    free(emulated_shared);
    return 1;
}
