/* Prints frequency list and rest octet vectors of libosmocore for tests/gsm_si.rs. See README.md beside this file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <osmocom/gsm/gsm48_arfcn_range_encode.h>
#include <osmocom/gsm/gsm48_ie.h>
#include <osmocom/gsm/gsm48_rest_octets.h>
#include <osmocom/gsm/sysinfo.h>

static uint64_t state = 0x2545f4914f6cdd1dull;

static uint32_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 32;
}

static void print_hex(const uint8_t *octets, int n)
{
	for (int i = 0; i < n; i++)
		printf("%02x", octets[i]);
}

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* A set of ARFCNs is chosen, libosmocore encodes it; the set itself is what a decoder must find. */
static void encoded(enum osmo_gsm48_range range, int size)
{
	const int start = next() % 1024, span = range == OSMO_GSM48_ARFCN_RANGE_1024 ? 1024 : range + 1;
	int set[OSMO_GSM48_RANGE_ENC_MAX_ARFCNS], work[OSMO_GSM48_RANGE_ENC_MAX_ARFCNS], w[OSMO_GSM48_RANGE_ENC_MAX_ARFCNS];
	uint8_t list[16] = { 0 };
	int n = 0, f0, f0_included = 0;
	while (n < size) {
		const int arfcn = (start + next() % span) % 1024;
		int known = 0;
		for (int i = 0; i < n; i++)
			known |= set[i] == arfcn;
		if (!known)
			set[n++] = arfcn;
	}
	qsort(set, n, sizeof(int), ascending);
	memcpy(work, set, sizeof(work));
	if (osmo_gsm48_range_enc_determine_range(work, n, &f0) != range)
		return;
	const int count = osmo_gsm48_range_enc_filter_arfcns(work, n, f0, &f0_included);
	memset(w, 0, sizeof(w));
	osmo_gsm48_range_enc_arfcns(range, work, count, w, 0);
	switch (range) {
	case OSMO_GSM48_ARFCN_RANGE_128: osmo_gsm48_range_enc_128(list, f0, w); break;
	case OSMO_GSM48_ARFCN_RANGE_256: osmo_gsm48_range_enc_256(list, f0, w); break;
	case OSMO_GSM48_ARFCN_RANGE_512: osmo_gsm48_range_enc_512(list, f0, w); break;
	default: osmo_gsm48_range_enc_1024(list, f0, f0_included, w); break;
	}
	printf("encoded ");
	print_hex(list, 16);
	for (int i = 0; i < n; i++)
		printf(" %d", set[i]);
	putchar('\n');
}

static void put(uint8_t *list, int *at, int width, uint32_t value)
{
	for (int i = width - 1; i >= 0; i--, ++*at)
		if (value >> i & 1)
			list[*at / 8] |= 0x80 >> *at % 8;
}

/* A list of any numbers, and what libosmocore decodes from it. Ranges: W(i) from 1 to some place are not zero, the rest is. */
static void decoded(uint8_t format)
{
	static struct gsm_sysinfo_freq freq[1024];
	uint8_t list[16] = { 0 }, copy[16];
	int at;
	if (format == 0x00 || format == 0x8e) {
		/* Bit map 0 and variable bit map: all bits are free. EXT-IND and BA-IND are not part of a cell channel description. */
		for (int i = 0; i < 16; i++)
			list[i] = next();
		list[0] = format | (list[0] & (format ? 0x01 : 0x0f));
	} else {
		int width = 13 - (format >> 1 & 7) - (format == 0x80 ? 3 : 0);
		if (format == 0x80) {
			at = 5;
			put(list, &at, 1, next() & 1);
		} else {
			at = 7;
			put(list, &at, 10, next() % 1024);
		}
		const int count = next() % 30;
		for (int i = 1; i <= count; i++) {
			if (i > 1 && (i & (i - 1)) == 0)
				width--;
			if (at + width > 128)
				break;
			put(list, &at, width, 1 + next() % ((1 << width) - 1));
		}
		list[0] |= format;
	}
	memset(freq, 0, sizeof(freq));
	memcpy(copy, list, 16);
	gsm48_decode_freq_list(freq, copy, 16, 0xce, 1);
	printf("decoded ");
	print_hex(list, 16);
	for (int i = 0; i < 1024; i++)
		if (freq[i].mask & 1)
			printf(" %d", i);
	putchar('\n');
}

/* SI2quater with UARFCNs and scrambling codes, and with EARFCNs. */
static void si2quater(int n)
{
	uint8_t message[23] = { 0x05, 0x06, 0x07 };
	uint16_t uarfcn[16], scramble[16];
	size_t u_offset = 0, e_offset = 0;
	/* Codes ascend and carriers are grouped: the order that the encoder asks for. It does not set FDD_Indic0 for code 0. */
	for (int i = 0; i < n; i++) {
		uarfcn[i] = 10562 + 25 * (i / 5);
		scramble[i] = 1 + next() % 63 + 64 * (i % 5);
	}
	struct osmo_earfcn_si2q e = { 0 };
	memset(message + 3, 0x2b, 20);
	osmo_gsm48_rest_octets_si2quater_encode(message + 3, 0, 0, uarfcn, &u_offset, n, scramble, &e, &e_offset);
	printf("si2quater ");
	print_hex(message, 23);
	for (size_t i = 0; i < u_offset; i++)
		printf(" %u:%u", uarfcn[i], scramble[i]);
	putchar('\n');
}

static void si2quater_eutran(int n)
{
	uint8_t message[23] = { 0x05, 0x06, 0x07 };
	size_t u_offset = 0, e_offset = 0;
	uint16_t earfcn[4];
	uint8_t bandwidth[4];
	struct osmo_earfcn_si2q e = { .arfcn = earfcn, .meas_bw = bandwidth, .length = n };
	e.thresh_hi = next() % 32;
	e.prio = next() % 8;
	e.prio_valid = next() % 2;
	e.thresh_lo_valid = next() % 2;
	e.qrxlm_valid = next() % 2;
	for (int i = 0; i < n; i++) {
		e.arfcn[i] = 1300 + 50 * i + next() % 50;
		e.meas_bw[i] = next() % 2 ? next() % 8 : OSMO_EARFCN_MEAS_INVALID;
	}
	memset(message + 3, 0x2b, 20);
	osmo_gsm48_rest_octets_si2quater_encode(message + 3, 0, 0, NULL, &u_offset, 0, NULL, &e, &e_offset);
	printf("eutran ");
	print_hex(message, 23);
	for (size_t i = 0; i < e_offset; i++) {
		if (e.prio_valid)
			printf(" %u/%u", e.arfcn[i], e.prio);
		else
			printf(" %u/-", e.arfcn[i]);
	}
	putchar('\n');
}

int main(void)
{
	for (int i = 0; i < 40; i++) {
		encoded(OSMO_GSM48_ARFCN_RANGE_1024, 2 + i % 15);
		encoded(OSMO_GSM48_ARFCN_RANGE_512, 2 + i % 17);
		encoded(OSMO_GSM48_ARFCN_RANGE_256, 2 + i % 21);
		encoded(OSMO_GSM48_ARFCN_RANGE_128, 2 + i % 28);
	}
	for (int i = 0; i < 10; i++) {
		decoded(0x00); /* bit map 0 */
		decoded(0x80); /* 1024 range */
		decoded(0x88); /* 512 range */
		decoded(0x8a); /* 256 range */
		decoded(0x8c); /* 128 range */
		decoded(0x8e); /* variable bit map */
	}
	for (int n = 1; n <= 15; n++)
		si2quater(n);
	for (int n = 1; n <= 4; n++)
		si2quater_eutran(n);
	return 0;
}
