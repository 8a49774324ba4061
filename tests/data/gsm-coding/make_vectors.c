/* Prints channel coding vectors of libosmocoding for tests/gsm_coding.rs. See README.md beside this file. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <osmocom/core/bits.h>
#include <osmocom/coding/gsm0503_coding.h>
#include <osmocom/gsm/gsm0502.h>
#include <osmocom/gsm/gsm_utils.h>

static uint64_t state = 0x9e3779b97f4a7c15ull;

static uint32_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 32;
}

static void print_bits(const ubit_t *bits, int n)
{
	for (int i = 0; i < n; i++)
		putchar('0' + bits[i]);
}

static void xcch(const uint8_t *octets)
{
	ubit_t bursts[4 * 116];
	gsm0503_xcch_encode(bursts, octets);
	printf("xcch ");
	for (int i = 0; i < 23; i++)
		printf("%02x", octets[i]);
	for (int b = 0; b < 4; b++) {
		/* e(57) and e(58) are the stealing flags. */
		putchar(' ');
		print_bits(bursts + 116 * b, 57);
		print_bits(bursts + 116 * b + 59, 57);
	}
	putchar('\n');
}

static void sch(uint8_t bsic, uint32_t fn)
{
	struct gsm_time t;
	gsm_fn2gsmtime(&t, fn);
	const uint8_t t3p = t.t3 / 10;
	/* Figure 9.1.30a.1 of TS 44.018, octet by octet. */
	const uint8_t info[4] = {
		(bsic & 0x3f) << 2 | t.t1 >> 9, t.t1 >> 1, (t.t1 & 1) << 7 | (t.t2 & 31) << 2 | t3p >> 1, t3p & 1,
	};
	ubit_t burst[78];
	gsm0503_sch_encode(burst, info);
	printf("sch %u %u ", bsic, fn);
	print_bits(burst, 78);
	putchar('\n');
}

int main(void)
{
	uint8_t octets[23];
	for (int i = 0; i < 23; i++) {
		memset(octets, 0, sizeof(octets));
		octets[i] = 1 << (i % 8);
		xcch(octets);
	}
	memset(octets, 0, sizeof(octets));
	xcch(octets);
	memset(octets, 0xff, sizeof(octets));
	xcch(octets);
	for (int n = 0; n < 25; n++) {
		for (int i = 0; i < 23; i++)
			octets[i] = next();
		xcch(octets);
	}
	for (int n = 0; n < 30; n++) {
		/* A frame that carries an SCH: FN mod 51 = 1, 11, 21, 31, 41. */
		const uint32_t fn = (next() % (26 * 2048)) * 51 + (next() % 5) * 10 + 1;
		sch(next() % 64, fn);
	}
	sch(63, 26 * 51 * 2048 - 10);
	sch(0, 1);
	return 0;
}
