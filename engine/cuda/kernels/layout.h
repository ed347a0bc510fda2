/* SPDX-License-Identifier: Apache-2.0
 *
 * The order in which 2-bit weights lie in device memory, shared by the host's packing and by every kernel.
 *
 * W is N x K. Rows are cut into tiles of 16 and columns into quads of 128 (four k-steps of 32), padded with zeros. A tile's
 * quads follow each other, each 512 bytes: 32 lanes of 16 bytes. So any run of tiles is one contiguous stream.
 *
 *   byte offset = (tile * quads + quad) * 512 + lane * 16 + word * 4 + byte,  field f at bits 2f, 2f+1
 *
 *   row = tile * 16 + lane / 4 + 8 * (word & 1)
 *   k   = quad * 128 + f * 32 + (word >> 1) * 16 + (lane % 4) * 4 + byte
 *
 * so that words 0..3 of a lane, reduced to one field, are the four registers which mma.m16n8k32 and wgmma.m64nNk32 want as
 * their 8-bit A fragment (PTX ISA, "Matrix Fragments for mma.m16n8k32"). A trit t is kept as t & 3, in two's complement:
 * moved to the top of its byte and masked it is the signed byte 64 * t, so no offset has to be taken off afterwards and
 * sums are exact multiples of 64 while 64 * 128 * K < 2^31.
 */
#ifndef CUDA_LAYOUT_H
#define CUDA_LAYOUT_H

enum {
    CUDA_TILE_ROWS = 16,
    CUDA_GROUP_ROWS = 64, /* four tiles: what one warpgroup multiplies; the number of tiles is padded to a multiple of 4 */
    CUDA_QUAD = 128,
    CUDA_TILE_BYTES = 512,
    CUDA_MAX_K = 1 << 17,
};

#endif
