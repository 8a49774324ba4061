#!/usr/bin/python3
"""Receives a synthetic beacon with gr-gsm's receiver block (Debian's gr-gsm) and counts what it decodes.

Usage: grgsm.py FILE.sigmf-data TSC, the samples being cf32_le at 4 samples a symbol (1083333.33 a second).
Blocks that are not SYSTEM INFORMATION are counted and not shown.
"""
import sys
import time

import pmt
from gnuradio import blocks, gr, gsm

SYSTEM_INFORMATION = {"19", "1a", "1b", "1c", "00", "02", "03", "07"}

top = gr.top_block()
source = blocks.file_source(gr.sizeof_gr_complex, sys.argv[1], False)
level = blocks.multiply_const_cc(10)
receiver = gsm.receiver(4, [0], [int(sys.argv[2])], False)
demapper = gsm.gsm_bcch_ccch_demapper(0)
decoder = gsm.control_channels_decoder()
store = blocks.message_debug()
top.connect(source, level, receiver)
top.msg_connect(receiver, "C0", demapper, "bursts")
top.msg_connect(demapper, "bursts", decoder, "bursts")
top.msg_connect(decoder, "msgs", store, "store")
top.start()
top.wait()
time.sleep(1)

counts = {}
for i in range(store.num_messages()):
    # 16 octets of GSMTAP header, then the block.
    block = bytes(pmt.u8vector_elements(pmt.cdr(store.get_message(i))))[16:].hex()
    known = block[2:4] == "06" and block[4:6] in SYSTEM_INFORMATION
    name = block if known else "not SYSTEM INFORMATION"
    counts[name] = counts.get(name, 0) + 1
for name, count in sorted(counts.items(), key=lambda entry: -entry[1]):
    print(count, name)
