/** Asks before something that can't be taken back. */

import { Dialog } from "./dialog.js";

interface Props {
  title: string;
  text: string;
  action: string;
  onConfirm: () => void;
  onCancel: () => void;
}

export function ConfirmDialog({ title, text, action, onConfirm, onCancel }: Props) {
  return (
    <Dialog title={title} onClose={onCancel}>
      <p>{text}</p>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="button" class="button button-danger" autofocus onClick={onConfirm}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
