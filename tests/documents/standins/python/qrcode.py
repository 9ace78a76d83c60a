"""Shows a QR code by its text, to whoever reads the output."""


class Picture:
    def __init__(self, text):
        self.text = text

    def show(self):
        print("qr", self.text, flush=True)


def make(text):
    return Picture(text)
