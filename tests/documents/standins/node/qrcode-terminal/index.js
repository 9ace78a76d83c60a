// Shows a QR code by its text, to whoever reads the output.
module.exports = { generate: (text) => console.log('qr', text) };
