// <upload-area>: a file by drag or picker goes to the API as it is read from the disk; its id, to the page data-next.
const ADDRESS = "/api/v1/files";
const MEGABYTE = 1_000_000;

class UploadArea extends HTMLElement {
  connectedCallback() {
    const input = this.querySelector("input");
    const begin = () => input.files[0] && this.upload(input.files[0]);
    input.addEventListener("change", begin);
    begin(); // with what was picked before this module had come
    this.querySelector("button").addEventListener("click", () => this.request?.abort());
    for (const type of ["dragover", "dragleave", "drop"])
      this.addEventListener(type, (event) => {
        event.preventDefault();
        this.classList.toggle("is-over", type === "dragover");
        const file = event.dataTransfer?.files[0];
        if (type === "drop" && file) this.upload(file);
      });
  }

  upload(file) {
    this.request?.abort();
    this.show(file.name, 0, file.size);
    const form = new FormData();
    form.append("file", file);
    // fetch does not tell how much of a body has left.
    const request = (this.request = new XMLHttpRequest());
    request.upload.onprogress = ({ loaded, total }) => this.show(file.name, loaded, total);
    request.onload = () => this.end(request);
    request.onerror = () => this.fail(this.dataset.lost);
    request.onabort = () => this.fail("");
    request.open("POST", ADDRESS);
    request.send(form);
  }

  show(name, done, total) {
    this.querySelector("[role=alert]").hidden = true;
    this.querySelector(".upload-progress").hidden = false;
    this.querySelector("[data-name]").textContent = name;
    this.querySelector("[data-figures]").textContent = `${megabytes(done)} / ${megabytes(total)} MB`;
    Object.assign(this.querySelector("progress"), { max: total || 1, value: done });
  }

  end(request) {
    const answer = request.getResponseHeader("content-type")?.includes("json") ? JSON.parse(request.response) : {};
    if (request.status === 201) location.assign(`${this.dataset.next}?file=${encodeURIComponent(answer.id)}`);
    else this.fail([answer.message ?? this.dataset.failed, answer.hint].filter(Boolean).join(" – "));
  }

  fail(message) {
    const alert = this.querySelector("[role=alert]");
    alert.textContent = message;
    alert.hidden = !message;
    this.querySelector(".upload-progress").hidden = true;
    this.querySelector("input").value = "";
  }
}

const megabytes = (count) => (count / MEGABYTE).toFixed(count < 100 * MEGABYTE ? 1 : 0);

customElements.define("upload-area", UploadArea);
