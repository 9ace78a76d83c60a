import requests
import qrcode
import time
from io import BytesIO
from PIL import Image

# API 配置
api_key = "YOUR_API_KEY"
base_url = "https://api.example.com/api"

# 认证头
headers = {
    "x-api-key": api_key,
    "Content-Type": "application/json"
}

# 创建新实例
def create_instance(name, description, webhook_url=None):
    instance_data = {
        "name": name,
        "description": description
    }
    
    if webhook_url:
        instance_data["webhookUrl"] = webhook_url
        instance_data["webhookEnabled"] = True
        instance_data["notifyReceived"] = True
        instance_data["notifySent"] = True
    
    response = requests.post(
        f"{base_url}/instances", 
        headers=headers, 
        json=instance_data
    )
    
    if response.status_code == 201:
        return response.json()
    else:
        raise Exception(f"创建实例错误: {response.text}")

# 获取并显示二维码
def get_and_display_qr(instance_id):
    print("获取二维码...")
    
    max_attempts = 10
    for attempt in range(max_attempts):
        response = requests.get(
            f"{base_url}/instances/{instance_id}/qr", 
            headers=headers
        )
        
        if response.status_code == 200 and "qrCode" in response.json():
            qr_data = response.json()["qrCode"]
            img = qrcode.make(qr_data)
            img.show()
            print("在 WhatsApp 应用中扫描二维码")
            return True
        elif response.status_code == 202:
            print("二维码仍在生成，等待中...")
            time.sleep(3)
        else:
            print(f"尝试 {attempt+1}/{max_attempts}: 未能获取二维码")
            time.sleep(2)
    
    return False

# 发送消息
def send_message(instance_id, phone, message):
    response = requests.post(
        f"{base_url}/whatsapp/{instance_id}/send", 
        headers=headers, 
        json={"phone": phone, "message": message}
    )
    
    if response.status_code == 200:
        return response.json()
    else:
        raise Exception(f"发送消息错误: {response.text}")

# 发送图片
def send_image(instance_id, phone, image_url, caption=None):
    data = {
        "phone": phone,
        "url": image_url
    }
    
    if caption:
        data["caption"] = caption
    
    response = requests.post(
        f"{base_url}/whatsapp/{instance_id}/send-media", 
        headers=headers, 
        json=data
    )
    
    if response.status_code == 200:
        return response.json()
    else:
        raise Exception(f"发送图片错误: {response.text}")

# 监控收到的消息
def monitor_messages(instance_id, callback, interval=5):
    last_timestamp = None
    
    try:
        while True:
            params = {"limit": 10}
            if last_timestamp:
                params["since"] = last_timestamp
            
            response = requests.get(
                f"{base_url}/instances/{instance_id}/events", 
                headers=headers,
                params=params
            )
            
            if response.status_code == 200:
                data = response.json()
                
                for event in data["events"]:
                    if event["type"] == "message_received":
                        callback(event["data"])
                
                if data["events"]:
                    last_timestamp = data["latestTimestamp"]
            
            time.sleep(interval)
    except KeyboardInterrupt:
        print("监控已停止")

# 使用示例
if __name__ == "__main__":
    # 创建新实例
    instance = create_instance(
        "测试实例", 
        "通过 Python SDK 创建",
        "https://webhook.example.com/whatsapp"
    )
    
    instance_id = instance["id"]
    print(f"实例已创建，ID: {instance_id}")
    
    # 获取并显示二维码
    if get_and_display_qr(instance_id):
        print("等待扫描二维码...")
        time.sleep(20)  # 给扫描留时间
        
        # 发送测试消息
        result = send_message(instance_id, "79001234567", "来自 Python 的测试消息")
        print(f"消息已发送，ID: {result['id']}")
        
        # 监控收到的消息（示例中已注释）
        # def message_handler(message):
        #     print(f"来自 {message['from']} 的新消息: {message['body']}")
        #
        # monitor_messages(instance_id, message_handler)
