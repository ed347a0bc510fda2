/* SPDX-License-Identifier: Apache-2.0
 *
 * Five trits in a byte, for machines that look bytes up in tables of 64 (vpermb): 243 of 256 codes, as in base 3, but bits instead of digits.
 *
 *     bits 7-6   0, 1, 2: the fifth code; bits 5-0 say which of 64 of the 81 quadruples the other four are
 *                3: an escape; bits 5-0 say which of the 17 other quadruples and 3 fifth codes
 *
 * With low[i] the first four codes of quadruple i as two-bit fields, and fix[e] what differs in an escape, the fields are
 *
 *     f0..f2 = (low[b & 63] ^ fix[e]) & 3, & 12, & 48      e = b - 192 where that is positive, else 0;  fix[0] = 0
 *     f3     = low[b & 63] & 192                           f4 = (b ^ fix[e]) & 192
 *
 * which works because an escape is given a number whose fourth code is right already, so that the upper bits of fix serve the fifth.
 * The codes that no five trits have read as zeros here.
 */
#ifndef TERN_FORMAT_TABLE3_H
#define TERN_FORMAT_TABLE3_H

#include <stdint.h>

/* Codes 0..2 to a byte, and back. */
uint8_t tern_table3_byte(const uint8_t codes[5]);
void tern_table3_codes(uint8_t byte, uint8_t codes[5]);

void tern_table3_tables(uint8_t low[64], uint8_t fix[64]);

#endif
