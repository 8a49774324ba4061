// A SoapySDR device that plays a file of samples and misbehaves on request: for the tests of src/radio/soapy, never for use.
//
// Found by SoapySDR as `driver=daentest`. Arguments of the device (those of the environment variable DAEN_TEST_DEVICE, in the
// same form, come first; behind a server they are the only ones that arrive unchanged):
//
//   file=PATH      samples, raw, as they are at gains of 30 dB together, louder and softer at others; without it a ramp that counts samples modulo 2^15 in I (CS16), or silence
//   scene=S;S;...  instead of a file, spectrum around any tuning (CS16): each S is PATH@RATE@CENTER@FROM@TO@GAIN, a file of CS8 at RATE
//                  that goes round and round from FROM to TO seconds of the device's time, at CENTER, times GAIN
//   noise=X        with a scene: noise of this amplitude, of 32768 (30)
//   dc=X, spur=OFFSET@X     with a scene: what comes from the receiver itself and moves with its tuning
//   stale=N        after a tuning so many samples still come from the one before (0)
//   slow=X         deliver at this part of the rate of the samples, for slow machines; 2: half (1)
//   format=CS8|CU8|CS16|CF32|CS12   native format (CS8); CS12 is told but cannot be read
//   fullscale=X    what getNativeStreamFormat says (128, 255, 32768, 1)
//   rates=A;B;C    sample rates offered (1000000)
//   kind=samples|none|host   time stamps: from the sample count, none, or from the host's clock
//   t0=NS          stamp of the first sample (0)
//   mtu=N          samples a read at most (8192)
//   fragments=N    hands each transfer out in this many pieces under one stamp (1)
//   pace=0|1       deliver at the rate of the samples (1), or as fast as they are read (0)
//   end=vanish|silence|loop|endless   what follows the file's end (silence: no more samples, reads time out; loop: the file again with
//                  its stamps, endless: the file again with stamps that go on)
//   faults=...     list of KIND@SAMPLE:VALUE, separated by ';', each once, in order of samples:
//       overflow@N:L  OVERFLOW is returned, L samples are lost      quiet@N:L    L samples are lost without a word
//       jump@N:NS     stamps go on NS later, no sample is lost      back@N:NS    stamps go back by NS
//       timeout@N:MS  no sample for MS milliseconds, then goes on   dead@N:0     no sample ever again, reads time out
//       hang@N:MS     readStream does not return for MS, whatever its timeout is
//       error@N:0     STREAM_ERROR, and for ever after on this stream       corrupt@N:0  CORRUPTION once
//       vanish@N:MS   STREAM_ERROR; the device cannot be opened for MS
//       clock@N:MS    the clock source reads internal for MS, whatever was set
//       zero@N:MS     readStream returns 0 at once for MS            unlock@N:MS  the sensor ref_locked says false for MS
//   refuse=rate|rate-silently|gain|frequency|antenna|bandwidth|clock|open|stream|activate    that setting fails
//   refuse_ms=MS   it fails for so long since the first device was made (for ever)
//   open_ms=MS     opening takes this long, the first time
//   celsius=X      what the device's sensor temperature says (it has none)
//   channel_celsius=X   what the receive channel's sensor of that name says (it has none)
//   own_serial=S   the serial number that the device itself tells (none)
//   close_ms=MS    closing the stream takes this long
//   log=PATH       calls are appended, one a line, and each fault as "fault KIND NS" with the host's time in nanoseconds; every call
//                  that has to do with transmitting is there as "TX ..."
//
// The place in the file is that of the process, not of the object: a device that is opened again plays on.

#include <SoapySDR/Device.hpp>
#include <SoapySDR/Formats.hpp>
#include <SoapySDR/Registry.hpp>
#include <SoapySDR/Version.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Fault {
    std::string kind;
    uint64_t at;
    long long value;
};

// What outlives an object.
struct State {
    uint64_t played = 0;   // samples of the file handed out or lost
    long long shift = 0;   // added to stamps, ns
    std::vector<Fault> faults;
    bool faults_read = false;
    Clock::time_point gone_until{};
    Clock::time_point unlocked_until{};
    Clock::time_point internal_until{};
    Clock::time_point made{};
    Clock::time_point zero_until{};
};

std::mutex guard;
std::map<std::string, State> states;

std::vector<std::string> split(const std::string &text, char by) {
    std::vector<std::string> parts;
    std::stringstream stream(text);
    for (std::string part; std::getline(stream, part, by);) parts.push_back(part);
    return parts;
}

SoapySDR::Kwargs with_environment(const SoapySDR::Kwargs &given) {
    const char *more = std::getenv("DAEN_TEST_DEVICE");
    SoapySDR::Kwargs all = SoapySDR::KwargsFromString(more ? more : "");
    for (const auto &pair : given) all[pair.first] = pair.second;
    return all;
}

std::string get(const SoapySDR::Kwargs &args, const std::string &key, const std::string &otherwise) {
    const auto found = args.find(key);
    return found == args.end() ? otherwise : found->second;
}

// One signal of a scene.
struct Signal {
    std::vector<std::complex<float>> samples;
    double rate, center, from, to;
};

struct TestStream {
    bool active = false, broken = false, dead = false, overflow = false;
    Clock::time_point begun;
    uint64_t since = 0;    // samples of the file since it was activated
    unsigned piece = 0;    // pieces of the present transfer handed out
    size_t left = 0;       // samples of the present transfer left
    long long stamp = 0;
};

class TestDevice : public SoapySDR::Device {
public:
    explicit TestDevice(const SoapySDR::Kwargs &given) : args(with_environment(given)) {
        std::unique_lock<std::mutex> lock(guard);
        state = &states[get(args, "serial", "0")];
        if (!state->faults_read) {
            state->faults_read = true;
            state->made = Clock::now();
            const auto slow_open = std::chrono::milliseconds(std::stol(get(args, "open_ms", "0")));
            lock.unlock();
            std::this_thread::sleep_for(slow_open);
            lock.lock();
            for (const auto &text : split(get(args, "faults", ""), ';')) {
                const auto at = text.find('@'), colon = text.find(':');
                state->faults.push_back({text.substr(0, at), std::stoull(text.substr(at + 1)),
                                         std::stoll(text.substr(colon + 1))});
            }
        }
        log("make");
        if (Clock::now() < state->gone_until) throw std::runtime_error("no such device: unplugged");
        if (refuses("open")) throw std::runtime_error("the device is in use");
        format = get(args, "format", SOAPY_SDR_CS8);
        octets = format == SOAPY_SDR_CF32 ? 8 : format == SOAPY_SDR_CS16 ? 4 : 2;
        const auto path = get(args, "file", "");
        if (!path.empty()) {
            // Mapped, so that a long one is not the memory of the process under test.
            const int file = open(path.c_str(), O_RDONLY);
            struct stat found {};
            if (file < 0 || fstat(file, &found) != 0) throw std::runtime_error("cannot read " + path);
            samples_size = size_t(found.st_size);
            void *const mapped = samples_size ? mmap(nullptr, samples_size, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
            close(file);
            if (mapped == MAP_FAILED) throw std::runtime_error("cannot read " + path);
            samples = static_cast<const char *>(mapped);
        }
        for (const auto &text : split(get(args, "scene", ""), ';')) {
            const auto part = split(text, '@');
            std::ifstream file(part.at(0), std::ios::binary);
            if (!file) throw std::runtime_error("cannot read " + part.at(0));
            const std::vector<char> octets_read((std::istreambuf_iterator<char>(file)), {});
            Signal signal{{}, std::stod(part.at(1)), std::stod(part.at(2)), std::stod(part.at(3)), std::stod(part.at(4))};
            const float gain = 256.f * std::stof(part.at(5));
            for (size_t i = 0; i + 1 < octets_read.size(); i += 2)
                signal.samples.emplace_back(gain * (signed char)octets_read[i], gain * (signed char)octets_read[i + 1]);
            scene.push_back(std::move(signal));
        }
        noise = std::stof(get(args, "noise", "30"));
        dc = std::stof(get(args, "dc", "0"));
        const auto tone = split(get(args, "spur", "0@0"), '@');
        spur = {std::stod(tone.at(0)), std::stof(tone.at(1))};
        slow = std::stod(get(args, "slow", "1"));
        for (const auto &text : split(get(args, "rates", "1000000"), ';')) rates.push_back(std::stod(text));
        rate = rates.front();
        mtu = std::stoul(get(args, "mtu", "8192"));
        fragments = std::stoul(get(args, "fragments", "1"));
    }

    ~TestDevice() override {
        if (samples) munmap(const_cast<char *>(samples), samples_size);
        log("unmake");
    }

    std::string getDriverKey() const override { return "daentest"; }
    std::string getHardwareKey() const override { return "daen test device"; }
    SoapySDR::Kwargs getHardwareInfo() const override {
        SoapySDR::Kwargs info;
        const auto own = get(args, "own_serial", "");
        if (!own.empty()) info["serial"] = own;
        return info;
    }
    size_t getNumChannels(const int direction) const override { return only_rx(direction, "getNumChannels") ? 1 : 1; }

    // ---- Streams ----

    std::vector<std::string> getStreamFormats(const int direction, const size_t) const override {
        only_rx(direction, "getStreamFormats");
        return {format};
    }
    std::string getNativeStreamFormat(const int direction, const size_t, double &fullScale) const override {
        only_rx(direction, "getNativeStreamFormat");
        const double usual = format == SOAPY_SDR_CS16 ? 32768 : format == SOAPY_SDR_CF32 ? 1 : format == SOAPY_SDR_CU8 ? 255 : 128;
        fullScale = std::stod(get(args, "fullscale", std::to_string(usual)));
        return format;
    }
    SoapySDR::Stream *setupStream(const int direction, const std::string &wanted, const std::vector<size_t> &channels,
                                  const SoapySDR::Kwargs &) override {
        log("setupStream " + wanted);
        if (!only_rx(direction, "setupStream")) throw std::runtime_error("transmitting is refused");
        if (wanted != format) throw std::runtime_error("only " + format + " can be had");
        if (channels.size() != 1 || channels[0] != 0) throw std::runtime_error("there is only channel 0");
        if (refuses("stream")) throw std::runtime_error("no transfer buffers");
        return reinterpret_cast<SoapySDR::Stream *>(new TestStream());
    }
    void closeStream(SoapySDR::Stream *handle) override {
        std::this_thread::sleep_for(std::chrono::milliseconds(std::stol(get(args, "close_ms", "0"))));
        log("closeStream");
        delete reinterpret_cast<TestStream *>(handle);
    }
    size_t getStreamMTU(SoapySDR::Stream *) const override { return mtu; }
    int activateStream(SoapySDR::Stream *handle, const int flags, const long long, const size_t) override {
        if (flags != 0) return SOAPY_SDR_NOT_SUPPORTED;
        if (refuses("activate")) return SOAPY_SDR_STREAM_ERROR;
        auto *stream = reinterpret_cast<TestStream *>(handle);
        stream->active = true;
        stream->begun = Clock::now();
        stream->since = 0;
        log("activateStream");
        return 0;
    }
    int deactivateStream(SoapySDR::Stream *handle, const int, const long long) override {
        reinterpret_cast<TestStream *>(handle)->active = false;
        log("deactivateStream");
        return 0;
    }

    int readStream(SoapySDR::Stream *handle, void *const *buffs, const size_t numElems, int &flags, long long &timeNs,
                   const long timeoutUs) override {
        auto *stream = reinterpret_cast<TestStream *>(handle);
        const auto wait = std::chrono::microseconds(timeoutUs);
        flags = 0;
        if (stream->broken) return SOAPY_SDR_STREAM_ERROR;
        if (!stream->active || stream->dead) {
            std::this_thread::sleep_for(wait);
            return SOAPY_SDR_TIMEOUT;
        }
        if (stream->left == 0) {
            const int answer = begin_transfer(stream, wait);
            if (answer <= 0) return answer;
        }
        // The pieces of a transfer share its stamp.
        const size_t share = (stream->left + (fragments - stream->piece) - 1) / (fragments - stream->piece);
        const size_t count = std::min(std::min(share, stream->left), numElems);
        uint64_t from;
        {
            const std::lock_guard<std::mutex> lock(guard);
            from = state->played;
            state->played += count;
        }
        fill(static_cast<char *>(buffs[0]), from, count);
        stream->since += count;
        stream->left -= count;
        stream->piece = std::min<unsigned>(stream->piece + 1, fragments - 1);
        if (get(args, "kind", "samples") != "none") {
            flags |= SOAPY_SDR_HAS_TIME;
            // What is read of a transfer in several goes is stamped anew, unless pieces are asked for.
            const bool counts = fragments == 1 && get(args, "kind", "samples") == "samples";
            const std::lock_guard<std::mutex> lock(guard);
            timeNs = counts ? time_of(from) : stream->stamp;
        }
        return int(count);
    }

    int writeStream(SoapySDR::Stream *, const void *const *, const size_t, int &, const long long, const long) override {
        log("TX writeStream");
        return SOAPY_SDR_NOT_SUPPORTED;
    }

    // ---- Settings ----

    std::vector<std::string> listAntennas(const int direction, const size_t) const override {
        only_rx(direction, "listAntennas");
        return {"RX", "AUX"};
    }
    void setAntenna(const int direction, const size_t, const std::string &name) override {
        only_rx(direction, "setAntenna");
        log("setAntenna " + name);
        if (refuses("antenna")) return;
        if (name != "RX" && name != "AUX") throw std::runtime_error("no antenna " + name);
        antenna = name;
    }
    std::string getAntenna(const int direction, const size_t) const override {
        only_rx(direction, "getAntenna");
        return antenna;
    }

    std::vector<std::string> listGains(const int direction, const size_t) const override {
        only_rx(direction, "listGains");
        return {"LNA", "VGA"};
    }
    void setGainMode(const int direction, const size_t, const bool automatic) override {
        only_rx(direction, "setGainMode");
        log(std::string("setGainMode ") + (automatic ? "automatic" : "manual"));
    }
    void setGain(const int direction, const size_t, const std::string &name, const double value) override {
        only_rx(direction, "setGain");
        log("setGain " + name);
        if (!refuses("gain")) gains[name] = std::round(value / 2) * 2;
    }
    double getGain(const int direction, const size_t, const std::string &name) const override {
        only_rx(direction, "getGain");
        const auto found = gains.find(name);
        return found == gains.end() ? 0 : found->second;
    }
    // What the samples of the file are multiplied by: they are as recorded at 30 dB, the sum of the profile's defaults.
    float amplification() const {
        double sum = 0;
        for (const auto &gain : gains) sum += gain.second;
        return float(std::pow(10.0, (sum - 30.0) / 20));
    }
    SoapySDR::Range getGainRange(const int direction, const size_t, const std::string &) const override {
        only_rx(direction, "getGainRange");
        return {0, 40, 2};
    }

    void setFrequency(const int direction, const size_t, const double value, const SoapySDR::Kwargs &) override {
        only_rx(direction, "setFrequency");
        log("setFrequency");
        if (refuses("frequency")) return;
        if (value < 10e6 || value > 6e9) throw std::runtime_error("out of range");
        const std::lock_guard<std::mutex> lock(guard);
        stale_frequency = frequency;
        stale_until = state->played + std::stoull(get(args, "stale", "0"));
        frequency = value;
    }
    double getFrequency(const int direction, const size_t) const override {
        only_rx(direction, "getFrequency");
        return frequency;
    }
    SoapySDR::RangeList getFrequencyRange(const int direction, const size_t) const override {
        only_rx(direction, "getFrequencyRange");
        return {{10e6, 6e9}};
    }

    void setSampleRate(const int direction, const size_t, const double value) override {
        only_rx(direction, "setSampleRate");
        log("setSampleRate");
        if (refuses("rate-silently")) return;
        if (refuses("rate") || std::find(rates.begin(), rates.end(), value) == rates.end())
            throw std::runtime_error("this rate cannot be had");
        rate = value;
    }
    double getSampleRate(const int direction, const size_t) const override {
        only_rx(direction, "getSampleRate");
        return refuses("rate-silently") ? 750000.0 : rate;
    }
    SoapySDR::RangeList getSampleRateRange(const int direction, const size_t) const override {
        only_rx(direction, "getSampleRateRange");
        SoapySDR::RangeList list;
        for (const double value : rates) list.push_back({value, value});
        return list;
    }

    void setBandwidth(const int direction, const size_t, const double value) override {
        only_rx(direction, "setBandwidth");
        log("setBandwidth");
        bandwidth = refuses("bandwidth") ? 200e3 : value;
    }
    double getBandwidth(const int direction, const size_t) const override {
        only_rx(direction, "getBandwidth");
        return bandwidth;
    }
    SoapySDR::RangeList getBandwidthRange(const int direction, const size_t) const override {
        only_rx(direction, "getBandwidthRange");
        return {{200e3, 200e3}, {900e3, 900e3}};
    }

    std::vector<std::string> listClockSources() const override { return {"internal", "external"}; }
    void setClockSource(const std::string &source) override {
        log("setClockSource " + source);
        if (!refuses("clock")) clock = source;
    }
    std::string getClockSource() const override {
        const std::lock_guard<std::mutex> lock(guard);
        return Clock::now() < state->internal_until ? "internal" : clock;
    }
    std::vector<std::string> listSensors() const override {
        return args.count("celsius") ? std::vector<std::string>{"ref_locked", "temperature"} : std::vector<std::string>{"ref_locked"};
    }
    std::string readSensor(const std::string &key) const override {
        if (key == "temperature") return get(args, "celsius", "");
        const std::lock_guard<std::mutex> lock(guard);
        return Clock::now() < state->unlocked_until ? "false" : "true";
    }
    std::vector<std::string> listSensors(const int direction, const size_t) const override {
        only_rx(direction, "listSensors");
        return args.count("channel_celsius") ? std::vector<std::string>{"temperature"} : std::vector<std::string>{};
    }
    std::string readSensor(const int direction, const size_t, const std::string &key) const override {
        only_rx(direction, "readSensor");
        const auto found = args.find("channel_celsius");
        if (key != "temperature" || found == args.end()) throw std::runtime_error("no sensor " + key);
        return found->second;
    }
    bool hasHardwareTime(const std::string &) const override { return get(args, "kind", "samples") == "samples"; }

    // ---- Traps: nothing of this may ever be called ----

    void writeSetting(const std::string &key, const std::string &) override { log("TX writeSetting " + key); }
    void writeSetting(const int, const size_t, const std::string &key, const std::string &) override {
        log("TX writeSetting " + key);
    }
    void writeRegister(const std::string &, const unsigned, const unsigned) override { log("TX writeRegister"); }
    void writeRegister(const unsigned, const unsigned) override { log("TX writeRegister"); }
    void writeGPIO(const std::string &, const unsigned) override { log("TX writeGPIO"); }
    void writeI2C(const int, const std::string &) override { log("TX writeI2C"); }
    unsigned transactSPI(const int, const unsigned, const size_t) override {
        log("TX transactSPI");
        return 0;
    }
    void writeUART(const std::string &, const std::string &) override { log("TX writeUART"); }
    void setFrontendMapping(const int, const std::string &) override { log("TX setFrontendMapping"); }
    int acquireWriteBuffer(SoapySDR::Stream *, size_t &, void **, const long) override {
        log("TX acquireWriteBuffer");
        return SOAPY_SDR_NOT_SUPPORTED;
    }

private:
    bool refuses(const char *what) const {
        const auto ms = std::chrono::milliseconds(std::stol(get(args, "refuse_ms", "1000000000")));
        return get(args, "refuse", "") == what && Clock::now() < state->made + ms;
    }

    static long long host_ns() {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    }

    bool only_rx(const int direction, const char *call) const {
        if (direction == SOAPY_SDR_RX) return true;
        log(std::string("TX ") + call);
        return false;
    }

    void log(const std::string &line) const {
        const auto path = get(args, "log", "");
        if (!path.empty()) std::ofstream(path, std::ios::app) << line << '\n';
    }

    // Faults that are due, then the next transfer's length and stamp. 0 and codes below it are what readStream returns.
    int begin_transfer(TestStream *stream, std::chrono::microseconds wait) {
        std::unique_lock<std::mutex> lock(guard);
        if (!state->faults.empty() && state->played >= state->faults.front().at) {
            const Fault fault = state->faults.front();
            const auto &kind = fault.kind;
            const auto now = Clock::now();
            const auto ms = std::chrono::milliseconds(fault.value);
            const bool told = kind == "zero" && state->zero_until != Clock::time_point{};
            if (!told) log("fault " + kind + " " + std::to_string(host_ns()));
            if (kind == "zero") {
                if (!told) state->zero_until = now + ms;
                if (now < state->zero_until) return 0;
            }
            state->faults.erase(state->faults.begin());
            if (kind == "overflow" || kind == "quiet") {
                state->played += fault.value;
                stream->since += fault.value;
                if (kind == "overflow") return SOAPY_SDR_OVERFLOW;
            }
            if (kind == "jump") state->shift += fault.value;
            if (kind == "back") state->shift -= fault.value;
            if (kind == "corrupt") return SOAPY_SDR_CORRUPTION;
            if (kind == "unlock") state->unlocked_until = now + ms;
            if (kind == "clock") state->internal_until = now + ms;
            if (kind == "dead") stream->dead = true;
            if (kind == "vanish") state->gone_until = now + ms;
            if (kind == "error" || kind == "vanish") {
                stream->broken = true;
                return SOAPY_SDR_STREAM_ERROR;
            }
            if (kind == "timeout" || kind == "hang") {
                lock.unlock();
                std::this_thread::sleep_for(ms);
                if (kind == "timeout") return SOAPY_SDR_TIMEOUT;
                lock.lock();
            }
        }
        uint64_t count = mtu;
        const uint64_t total = octets ? samples_size / octets : 0;
        if (total > 0) {
            const auto end = get(args, "end", "silence");
            if (state->played >= total && (end == "loop" || end == "endless")) {
                state->played -= total;
                if (end == "endless") state->shift += (long long)(total / rate * 1e9);
            }
            if (state->played >= total) {
                if (end == "vanish") {
                    state->gone_until = Clock::now() + std::chrono::hours(1);
                    stream->broken = true;
                    return SOAPY_SDR_STREAM_ERROR;
                }
                lock.unlock();
                std::this_thread::sleep_for(wait);
                return SOAPY_SDR_TIMEOUT;
            }
            count = std::min<uint64_t>(count, total - state->played);
        }
        // Not beyond the next fault.
        if (!state->faults.empty() && state->faults.front().at > state->played)
            count = std::min<uint64_t>(count, state->faults.front().at - state->played);
        const auto due = stream->begun + std::chrono::nanoseconds(uint64_t((stream->since + count) / rate * slow * 1e9));
        const auto host = std::chrono::system_clock::now().time_since_epoch();
        stream->stamp = get(args, "kind", "samples") == "host"
            ? std::chrono::duration_cast<std::chrono::nanoseconds>(host).count()
            : time_of(state->played);
        lock.unlock();
        if (get(args, "pace", "1") == "1") {
            const auto now = Clock::now();
            if (due > now + wait) {
                std::this_thread::sleep_for(wait);
                return SOAPY_SDR_TIMEOUT;
            }
            std::this_thread::sleep_until(due);
        }
        stream->left = count;
        stream->piece = 0;
        return 1;
    }

    long long time_of(uint64_t sample) const {
        return std::stoll(get(args, "t0", "0")) + state->shift + (long long)(sample / rate * 1e9);
    }

    // What is on the air around the tuning, samples `from` on, and what the receiver adds.
    void receive(int16_t *to, uint64_t from, size_t count) {
        mixed.assign(count, {dc, 0});
        for (size_t i = 0; i < 2 * count; i++) {
            // A sum of four: near enough to Gaussian.
            float sum = 0;
            for (int k = 0; k < 4; k++) {
                random = random * 6364136223846793005ull + 1442695040888963407ull;
                sum += float(int32_t(random >> 32)) / 2147483648.f;
            }
            reinterpret_cast<float *>(mixed.data())[i] += sum * noise;
        }
        const double tuned = from < stale_until ? stale_frequency : frequency;
        const auto add = [&](double offset, auto value) {
            const double step = 2 * M_PI * offset / rate;
            std::complex<double> rotor = std::polar(1.0, std::fmod(step * double(from), 2 * M_PI));
            const std::complex<double> turn = std::polar(1.0, step);
            for (size_t i = 0; i < count; i++, rotor *= turn)
                mixed[i] += std::complex<float>(rotor) * value(double(from + i) / rate);
        };
        for (const auto &signal : scene) {
            const double offset = signal.center - tuned;
            if (std::abs(offset) > (rate + signal.rate) / 2) continue;
            const size_t length = signal.samples.size();
            // Cubic between samples: images stay 40 dB down for a signal in the middle fifth of its band.
            add(offset, [&](double seconds) -> std::complex<float> {
                if (seconds < signal.from || seconds >= signal.to) return 0;
                const double at = (seconds - signal.from) * signal.rate;
                const size_t whole = size_t(at);
                const float t = float(at - double(whole));
                const auto s = [&](size_t i) { return signal.samples[(whole + length + i - 1) % length]; };
                const auto a = s(0), b = s(1), c = s(2), d = s(3);
                return b + 0.5f * t * (c - a + t * (2.f * a - 5.f * b + 4.f * c - d + t * (3.f * (b - c) + d - a)));
            });
        }
        if (spur.second > 0) add(spur.first, [&](double) { return std::complex<float>(spur.second, 0); });
        const auto clamp = [](float x) { return int16_t(std::max(-32768.f, std::min(32767.f, std::round(x)))); };
        for (size_t i = 0; i < count; i++) {
            to[2 * i] = clamp(mixed[i].real());
            to[2 * i + 1] = clamp(mixed[i].imag());
        }
    }

    template <typename T> static void multiply(char *octets, size_t values, float by, float zero, float least, float most) {
        auto *value = reinterpret_cast<T *>(octets);
        for (size_t i = 0; i < values; i++) {
            const float loud = (float(value[i]) - zero) * by + zero;
            value[i] = T(std::max(least, std::min(most, std::is_integral<T>::value ? std::round(loud) : loud)));
        }
    }

    void amplify(char *to, size_t count, float by) const {
        if (format == SOAPY_SDR_CS8) multiply<int8_t>(to, 2 * count, by, 0, -128, 127);
        if (format == SOAPY_SDR_CU8) multiply<uint8_t>(to, 2 * count, by, 127.5f, 0, 255);
        if (format == SOAPY_SDR_CS16) multiply<int16_t>(to, 2 * count, by, 0, -32768, 32767);
        if (format == SOAPY_SDR_CF32) multiply<float>(to, 2 * count, by, 0, -1e9f, 1e9f);
    }

    void fill(char *to, uint64_t from, size_t count) {
        if (!scene.empty()) {
            receive(reinterpret_cast<int16_t *>(to), from, count);
        } else if (samples) {
            std::memcpy(to, samples + from * octets, count * octets);
            const float by = amplification();
            if (by != 1.f) amplify(to, count, by);
        } else if (format == SOAPY_SDR_CS16) {
            auto *values = reinterpret_cast<int16_t *>(to);
            for (size_t i = 0; i < count; i++) {
                values[2 * i] = int16_t((from + i) & 0x7fff);
                values[2 * i + 1] = 0;
            }
        } else {
            std::memset(to, 0, count * octets);
        }
    }

    SoapySDR::Kwargs args;
    State *state;
    std::string format, antenna = "RX", clock = "internal";
    size_t octets = 2, mtu = 8192, fragments = 1;
    const char *samples = nullptr;
    size_t samples_size = 0;
    std::vector<Signal> scene;
    std::vector<std::complex<float>> mixed;
    float noise = 30, dc = 0;
    std::pair<double, float> spur;
    double slow = 1, stale_frequency = 0;
    uint64_t stale_until = 0, random = 1;
    std::vector<double> rates;
    std::map<std::string, double> gains;
    double rate = 1e6, frequency = 100e6, bandwidth = 0;
};

SoapySDR::KwargsList find(const SoapySDR::Kwargs &given) {
    const auto args = with_environment(given);
    const auto serial = get(args, "serial", "0");
    {
        const std::lock_guard<std::mutex> lock(guard);
        if (Clock::now() < states[serial].gone_until) return {};
    }
    SoapySDR::Kwargs found;
    found["label"] = "daen test device " + serial;
    found["serial"] = serial;
    return {found};
}

SoapySDR::Device *make(const SoapySDR::Kwargs &args) { return new TestDevice(args); }

SoapySDR::Registry registration("daentest", &find, &make, SOAPY_SDR_ABI_VERSION);

}  // namespace
