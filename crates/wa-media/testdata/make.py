"""Makes streams.json, reupload.json and files/: see PROVENANCE. Needs cryptography, Pillow (with WebP) and opusenc."""

import hashlib, hmac, io, json, math, os, struct, subprocess, wave, zipfile

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = os.path.join(HERE, "files")
STEP = 64 * 1024


def hkdf(key, info, length):
    return HKDF(hashes.SHA256(), length, None, info.encode()).derive(key)


def content(length):
    return bytes((i * 167 + (i >> 8) * 13) & 0xFF for i in range(length))


def stream(info, streamed, length):
    key = hashlib.sha256(f"{info} {length}".encode()).digest()
    okm = hkdf(key, info, 112)
    iv, cipher_key, mac_key = okm[:16], okm[16:48], okm[48:80]
    padder = padding.PKCS7(128).padder()
    file = content(length)
    encryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(iv)).encryptor()
    cipher = encryptor.update(padder.update(file) + padder.finalize()) + encryptor.finalize()
    blob = cipher + hmac.new(mac_key, iv + cipher, hashlib.sha256).digest()[:10]
    signed = iv + blob
    windows = [signed[at : at + STEP + 16] for at in range(0, len(signed), STEP)]
    macs = b"".join(hmac.new(mac_key, window, hashlib.sha256).digest()[:10] for window in windows)
    vector = {"info": info, "key": key.hex(), "length": length, "blob_length": len(blob)}
    vector["file_sha256"] = hashlib.sha256(file).hexdigest()
    vector["file_enc_sha256"] = hashlib.sha256(blob).hexdigest()
    vector["sidecar"] = macs.hex() if streamed else None
    return vector


def streams():
    video, audio, document = "WhatsApp Video Keys", "WhatsApp Audio Keys", "WhatsApp Document Keys"
    around = [65503, 65504, 65519, 65520, 65536, 131039, 131040, 200000]
    vectors = [stream(video, True, length) for length in [0, 1, 15, 16, 17] + around]
    vectors += [stream(audio, True, 100000), stream(document, False, 1000)]
    return vectors


def reupload():
    key, iv, id = bytes(range(32)), bytes([5] * 12), "3EB0C0FFEE"
    cipher = AESGCM(hkdf(key, "WhatsApp Media Retry Notification", 32))
    path = "/v/t62.7118-24/1_2_n.enc?ccb=11-4&oh=01_Q5&oe=6A000000&_nc_sid=5e03e0"
    field = lambda number, text: bytes([number << 3 | 2, len(text)]) + text.encode()
    answer = field(1, id) + field(2, path) + bytes([3 << 3, 1])
    seal = lambda text: cipher.encrypt(iv, text, id.encode()).hex()
    return {"key": key.hex(), "iv": iv.hex(), "id": id, "direct_path": path, "answer": seal(answer),
            "request": seal(field(1, id)), "not_found": seal(field(1, id) + bytes([3 << 3, 2]))}


def save(name, data):
    with open(os.path.join(FILES, name), "wb") as file:
        file.write(data)


def pictures():
    shades = [Image.new("RGB", (40, 30), (shade, 80, 200 - shade)) for shade in (0, 90, 180)]
    for name, options in [("photo.jpg", {}), ("drawing.png", {}), ("still.gif", {}), ("lossy.webp", {}),
                          ("lossless.webp", {"lossless": True})]:
        shades[0].save(os.path.join(FILES, name), **options)
    moving = {"save_all": True, "append_images": shades[1:], "duration": 100}
    shades[0].save(os.path.join(FILES, "sticker.webp"), **moving)
    shades[0].save(os.path.join(FILES, "moving.gif"), **moving)
    see_through = Image.new("RGBA", (512, 512), (1, 2, 3, 4))
    see_through.save(os.path.join(FILES, "alpha.webp"), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")


def archives():
    def archive(name, entries):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for entry, text in entries:
                method = zipfile.ZIP_STORED if entry == "mimetype" else zipfile.ZIP_DEFLATED
                file.writestr(zipfile.ZipInfo(entry), text, method)
        save(name, buffer.getvalue())

    office = [("[Content_Types].xml", "<Types/>" * 40), ("_rels/.rels", "<Relationships/>"), ("docProps/app.xml", "<P/>")]
    for name, main in [("letter.docx", "word/document.xml"), ("table.xlsx", "xl/workbook.xml"), ("talk.pptx", "ppt/presentation.xml")]:
        archive(name, office + [(main, "<x/>" * 100)])
    archive("letter.odt", [("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", "<x/>")])
    archive("book.epub", [("mimetype", "application/epub+zip"), ("META-INF/container.xml", "<x/>")])
    archive("program.apk", [("META-INF/MANIFEST.MF", "x"), ("AndroidManifest.xml", "x"), ("classes.dex", "x")])
    archive("program.jar", [("META-INF/MANIFEST.MF", "x"), ("A.class", "x")])
    archive("plain.zip", [("a.txt", "hello"), ("readme word/ xl/", "hello")])


def sounds():
    def tone(name, channels, seconds):
        with wave.open(os.path.join(FILES, name), "wb") as file:
            file.setparams((channels, 2, 16000, 0, "NONE", ""))
            wave_at = lambda i: int(9000 * math.sin(i * 0.2))
            samples = [wave_at(i) for i in range(int(16000 * seconds)) for _ in range(channels)]
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples))

    for name, channels, seconds in [("voice", 1, 2.5), ("stereo", 2, 0.3)]:
        tone(f"{name}.wav", channels, seconds)
        target = [os.path.join(FILES, f"{name}.wav"), os.path.join(FILES, f"{name}.opus")]
        subprocess.run(["opusenc", "--quiet", "--bitrate", "6", "--serial", "7"] + target, check=True)
        os.remove(os.path.join(FILES, f"{name}.wav"))


def main():
    os.makedirs(FILES, exist_ok=True)
    for name, value in [("streams.json", streams()), ("reupload.json", reupload())]:
        with open(os.path.join(HERE, name), "w") as file:
            json.dump(value, file, indent=1)
            file.write("\n")
    pictures()
    archives()
    sounds()


main()
